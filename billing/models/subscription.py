from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from events.ids import uuid7
from events.moves import Moving, Table


class Subscription(Moving):
    """A plan that renews. The price is locked: version, quote, amount and zone stay as bought."""

    class Status(models.TextChoices):
        INCOMPLETE = "incomplete"
        INCOMPLETE_EXPIRED = "incomplete_expired"
        TRIALING = "trialing"
        ACTIVE = "active"
        PAST_DUE = "past_due"
        UNPAID = "unpaid"
        PAUSED = "paused"
        CANCELED = "canceled"

    NEXT: ClassVar[Table] = {
        Status.INCOMPLETE: {Status.ACTIVE, Status.TRIALING, Status.INCOMPLETE_EXPIRED, Status.CANCELED},
        Status.TRIALING: {Status.ACTIVE, Status.PAST_DUE, Status.PAUSED, Status.UNPAID, Status.CANCELED},
        Status.ACTIVE: {Status.TRIALING, Status.PAST_DUE, Status.UNPAID, Status.PAUSED, Status.CANCELED},
        Status.PAST_DUE: {Status.ACTIVE, Status.UNPAID, Status.PAUSED, Status.CANCELED},
        Status.UNPAID: {Status.ACTIVE, Status.CANCELED},
        Status.PAUSED: {Status.ACTIVE, Status.TRIALING, Status.CANCELED},
        Status.CANCELED: set(),
        Status.INCOMPLETE_EXPIRED: set(),
    }
    LIVE = (
        Status.INCOMPLETE,
        Status.TRIALING,
        Status.ACTIVE,
        Status.PAST_DUE,
        Status.UNPAID,
        Status.PAUSED,
    )

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    customer = models.ForeignKey("billing.Customer", on_delete=models.PROTECT, related_name="subscriptions")
    version = models.ForeignKey("pricing.PlanVersion", on_delete=models.PROTECT, related_name="+")
    quote = models.ForeignKey("pricing.Quote", on_delete=models.PROTECT, related_name="+")
    checkout = models.OneToOneField("billing.Checkout", on_delete=models.PROTECT, null=True, blank=True)
    product_line = models.SlugField(max_length=100)
    quantity = models.PositiveIntegerField(default=1)
    previous = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="successors")
    duplicate = models.BooleanField(default=False, help_text="Another one was live already: staff must settle it.")
    stripe_id = models.CharField(max_length=255, unique=True)
    started_at = models.DateTimeField()
    current_period_start = models.DateTimeField()
    current_period_end = models.DateTimeField()
    trial_end = models.DateTimeField(null=True, blank=True)
    cancel_at = models.DateTimeField(null=True, blank=True)
    canceled_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    paused_at = models.DateTimeField(null=True, blank=True, help_text="Since when nothing is collected, on request.")
    resumes_at = models.DateTimeField(null=True, blank=True)
    looked_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["customer", "product_line"],
                condition=Q(
                    status__in=["incomplete", "trialing", "active", "past_due", "unpaid", "paused"], duplicate=False
                ),
                name="one_live_subscription",
            ),
        )
        indexes = (models.Index(fields=["customer", "-id"], name="subscription_of_customer"),)

    def __str__(self) -> str:
        return f"{self.stripe_id} {self.status}"

    @property
    def cancel_at_period_end(self) -> bool:
        """Whether it ends with the period that runs now."""
        return self.cancel_at is not None and self.cancel_at == self.current_period_end
