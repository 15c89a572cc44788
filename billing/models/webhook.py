from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from events.moves import Moving, Table
from vault.fields import EncryptedTextField


class WebhookEvent(Moving):
    """One event of Stripe's, verified: the queue of what to look at again, and the record that it came."""

    class Status(models.TextChoices):
        RECEIVED = "received"
        PROCESSED = "processed"
        IGNORED = "ignored"
        RETRY = "retry"
        DEAD = "dead"

    NEXT: ClassVar[Table] = {
        Status.RECEIVED: {Status.PROCESSED, Status.IGNORED, Status.RETRY, Status.DEAD},
        Status.RETRY: {Status.PROCESSED, Status.IGNORED, Status.DEAD},
        Status.DEAD: {Status.RECEIVED},
        Status.PROCESSED: set(),
        Status.IGNORED: set(),
    }
    WAITING = (Status.RECEIVED, Status.RETRY)

    stripe_id = models.CharField(max_length=255, unique=True)
    type = models.CharField(max_length=100)
    looks_at = models.CharField(max_length=255, blank=True, help_text="The Stripe id of what is looked at again.")
    livemode = models.BooleanField()
    body = EncryptedTextField(bound_to="stripe_id", blank=True, help_text="As Stripe sent it; empty once erased.")
    attempts = models.PositiveSmallIntegerField(default=0)
    last_error = models.TextField(blank=True)
    filled = models.BooleanField(db_default=False, help_text="Found in Stripe's list: it was not delivered in time.")
    happened_at = models.DateTimeField(help_text="Stripe's time.")
    received_at = models.DateTimeField(db_default=Now())
    due_at = models.DateTimeField()

    class Meta:
        indexes = (
            models.Index(fields=["id"], name="webhook_filled", condition=Q(filled=True)),
            models.Index(fields=["due_at"], name="webhook_due", condition=Q(status__in=["received", "retry"])),
            models.Index(fields=["looks_at"], name="webhook_waits", condition=Q(status__in=["received", "retry"])),
            models.Index(
                fields=["status_at"],
                name="webhook_bodies",
                condition=Q(status__in=["processed", "ignored"]) & ~Q(body=""),
            ),
        )

    def __str__(self) -> str:
        return f"{self.type} {self.stripe_id}"


class Lease(models.Model):
    """Who looks at one Stripe object now. `fence` grows with each holder: a slow one finds that it has lost."""

    stripe_id = models.CharField(max_length=255, primary_key=True)
    fence = models.BigIntegerField()
    held_until = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.stripe_id} #{self.fence}"


class Reading(models.Model):
    """How far Stripe's own list of events was read: everything before `until` is stored."""

    until = models.DateTimeField()
    read_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"until {self.until}"
