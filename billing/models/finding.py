from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from events.ids import uuid7


class Finding(models.Model):
    """A difference between our books and Stripe's that a person must look at."""

    class Kind(models.TextChoices):
        MISSING_HERE = "missing_here"
        MISSING_THERE = "missing_there"
        AMOUNT = "amount"
        CURRENCY = "currency"
        STATUS = "status"
        GRANT_WITHOUT_CAUSE = "grant_without_cause"
        SECOND_SUBSCRIPTION = "second_subscription"
        SECOND_TRIAL = "second_trial"
        UNKNOWN_PRICE = "unknown_price"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=32, choices=Kind)
    object = models.CharField(max_length=300)
    data = models.JSONField(default=dict)
    opened_at = models.DateTimeField(db_default=Now())
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["kind", "object"], condition=Q(closed_at=None), name="one_open_finding_each"
            ),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.object}"
