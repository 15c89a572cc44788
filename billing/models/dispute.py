from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from events.ids import uuid7
from events.moves import Moving, Table
from pricing.money import Money


class Dispute(Moving):
    """A buyer's bank asks for a payment back: an inquiry first (`warning_*`, no money moves), or a chargeback."""

    class Status(models.TextChoices):
        WARNING_NEEDS_RESPONSE = "warning_needs_response"
        WARNING_UNDER_REVIEW = "warning_under_review"
        WARNING_CLOSED = "warning_closed"
        NEEDS_RESPONSE = "needs_response"
        UNDER_REVIEW = "under_review"
        WON = "won"
        LOST = "lost"
        PREVENTED = "prevented"

    OPEN = (Status.NEEDS_RESPONSE, Status.UNDER_REVIEW)
    INQUIRY = (Status.WARNING_NEEDS_RESPONSE, Status.WARNING_UNDER_REVIEW)
    ENDED = (Status.WARNING_CLOSED, Status.WON, Status.LOST, Status.PREVENTED)
    # An inquiry may become a chargeback, and a bank may decide anew what was won or lost.
    NEXT: ClassVar[Table] = {
        Status.WARNING_NEEDS_RESPONSE: {Status.WARNING_UNDER_REVIEW, *OPEN, *ENDED},
        Status.WARNING_UNDER_REVIEW: {Status.WARNING_NEEDS_RESPONSE, *OPEN, *ENDED},
        Status.WARNING_CLOSED: {*OPEN, Status.WON, Status.LOST},
        Status.NEEDS_RESPONSE: {Status.UNDER_REVIEW, *ENDED},
        Status.UNDER_REVIEW: {Status.NEEDS_RESPONSE, *ENDED},
        Status.WON: {Status.LOST},
        Status.LOST: {Status.WON},
        Status.PREVENTED: set(),
    }

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    payment = models.ForeignKey("billing.Payment", on_delete=models.PROTECT, related_name="disputes")
    stripe_id = models.CharField(max_length=255, unique=True)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    reason = models.CharField(max_length=64, blank=True)
    evidence_due_at = models.DateTimeField(null=True, blank=True)
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)
    looked_at = models.DateTimeField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = (models.CheckConstraint(condition=Q(amount_minor__gte=0), name="dispute_amount"),)
        indexes = (models.Index(fields=["status"], name="dispute_status"),)

    def __str__(self) -> str:
        return f"{self.amount} {self.status}"

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)
