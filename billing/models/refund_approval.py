from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from billing.models.asked import Asked
from billing.models.refund import Refund
from events.ids import uuid7
from events.moves import Moving, Table
from pricing.money import Money


class RefundApproval(Moving, Asked):
    """A refund over the cap, for which one admin (`principal`) asks and on which another one decides."""

    class Status(models.TextChoices):
        WAITING = "waiting"
        APPROVED = "approved"
        DECLINED = "declined"

    NEXT: ClassVar[Table] = {
        Status.WAITING: {Status.APPROVED, Status.DECLINED},
        Status.APPROVED: set(),
        Status.DECLINED: set(),
    }

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    payment = models.ForeignKey("billing.Payment", on_delete=models.PROTECT, related_name="refund_approvals")
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    reason = models.CharField(max_length=32, choices=Refund.Reason)
    decided_by = models.CharField(max_length=300, blank=True)
    refund = models.OneToOneField("billing.Refund", on_delete=models.PROTECT, null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["principal", "idempotency_key"], name="one_approval_per_key"),
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="approval_amount"),
            models.CheckConstraint(condition=~Q(decided_by=F("principal")), name="approval_has_four_eyes"),
            models.CheckConstraint(
                condition=Q(status="waiting") | ~Q(decided_by=""), name="approval_is_decided_by_somebody"
            ),
        )

    def __str__(self) -> str:
        return f"{self.amount} {self.status}"

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)
