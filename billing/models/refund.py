from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from billing.models.asked import Asked
from events.ids import uuid7
from events.moves import Moving, Table
from pricing.money import Money


class Refund(Moving, Asked):
    """Money given back for one payment: asked for by us, or made at Stripe and learned from there."""

    class Status(models.TextChoices):
        REQUESTED = "requested"
        PENDING = "pending"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        CANCELED = "canceled"

    NEXT: ClassVar[Table] = {
        Status.REQUESTED: {Status.PENDING, Status.SUCCEEDED, Status.FAILED, Status.CANCELED},
        Status.PENDING: {Status.SUCCEEDED, Status.FAILED, Status.CANCELED},
        # A bank may send the money back days later.
        Status.SUCCEEDED: {Status.FAILED},
        Status.FAILED: set(),
        Status.CANCELED: set(),
    }
    # The statuses whose amount is spoken for.
    LIVE = (Status.REQUESTED, Status.PENDING, Status.SUCCEEDED)

    class Reason(models.TextChoices):
        REQUESTED_BY_CUSTOMER = "requested_by_customer"
        DUPLICATE = "duplicate"
        FRAUDULENT = "fraudulent"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    payment = models.ForeignKey("billing.Payment", on_delete=models.PROTECT, related_name="refunds")
    stripe_id = models.CharField(max_length=255, null=True, blank=True, unique=True)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    reason = models.CharField(max_length=32, choices=Reason, blank=True)
    failure_reason = models.CharField(max_length=255, blank=True)
    looked_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["principal", "idempotency_key"], name="one_refund_per_key"),
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="refund_amount"),
        )
        indexes = (models.Index(fields=["created_at"], name="refund_requested", condition=Q(status="requested")),)

    def __str__(self) -> str:
        return f"{self.amount} {self.status}"

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)

    @property
    def was_refused(self) -> bool:
        """Stripe said no, or never heard of it: it is not there."""
        return self.status == self.Status.FAILED and self.stripe_id is None
