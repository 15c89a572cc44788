from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from billing.models.asked import Asked
from events.ids import uuid7
from events.moves import Moving, Table


class Checkout(Moving, Asked):
    """One try of a buyer to pay one quote on Stripe's page."""

    class Mode(models.TextChoices):
        PAYMENT = "payment"
        SUBSCRIPTION = "subscription"

    class Status(models.TextChoices):
        OPEN = "open"
        COMPLETE = "complete"
        EXPIRED = "expired"

    NEXT: ClassVar[Table] = {
        Status.OPEN: {Status.COMPLETE, Status.EXPIRED},
        Status.COMPLETE: set(),
        Status.EXPIRED: set(),
    }

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    customer = models.ForeignKey("billing.Customer", on_delete=models.PROTECT, related_name="checkouts")
    quote = models.ForeignKey("pricing.Quote", on_delete=models.PROTECT, related_name="+")
    mode = models.CharField(max_length=16, choices=Mode)
    product_line = models.SlugField(max_length=100)
    trial_days = models.PositiveSmallIntegerField(default=0, help_text="As offered: nothing is due on the page then.")
    success_url = models.URLField(max_length=2000)
    cancel_url = models.URLField(max_length=2000)
    stripe_id = models.CharField(max_length=255, null=True, blank=True, unique=True)
    url = models.TextField(blank=True)
    looked_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["principal", "idempotency_key"], name="one_checkout_per_key"),
            models.CheckConstraint(condition=Q(mode__in=["payment", "subscription"]), name="checkout_mode"),
        )
        indexes = (
            models.Index(fields=["created_at"], name="checkout_unopened", condition=Q(stripe_id=None, status="open")),
            models.Index(fields=["customer", "product_line"], name="checkout_open", condition=Q(status="open")),
        )

    def __str__(self) -> str:
        return f"{self.mode} {self.id} {self.status}"
