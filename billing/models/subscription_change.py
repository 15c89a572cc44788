from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from billing.models.asked import Asked
from events.ids import uuid7
from events.moves import Moving, Table
from pricing.money import Money


class SubscriptionChange(Moving, Asked):
    """Another plan, quantity or set of items: previewed with what it costs, and applied once.

    `asked`: Stripe was asked and may have done it. `waiting`: the buyer must pay first. `scheduled`: Stripe bills it
    from the next period on, and access follows then.
    """

    class Status(models.TextChoices):
        PREVIEWED = "previewed"
        ASKED = "asked"
        WAITING = "waiting"
        SCHEDULED = "scheduled"
        APPLIED = "applied"
        FAILED = "failed"
        DROPPED = "dropped"

    class When(models.TextChoices):
        NOW = "now"
        PERIOD_END = "period_end"

    NEXT: ClassVar[Table] = {
        Status.PREVIEWED: {Status.ASKED},
        Status.ASKED: {Status.WAITING, Status.SCHEDULED, Status.APPLIED, Status.FAILED},
        Status.WAITING: {Status.APPLIED, Status.FAILED},
        Status.SCHEDULED: {Status.APPLIED, Status.DROPPED},
        Status.APPLIED: set(),
        Status.FAILED: set(),
        Status.DROPPED: set(),
    }
    OPEN = (Status.ASKED, Status.WAITING, Status.SCHEDULED)

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    subscription = models.ForeignKey("billing.Subscription", on_delete=models.CASCADE, related_name="changes")
    quote = models.ForeignKey("pricing.Quote", on_delete=models.PROTECT, related_name="+")
    quantity = models.PositiveIntegerField(default=1)
    when = models.CharField(max_length=16, choices=When)
    had = models.JSONField(help_text="Stripe's prices and their quantities before.")
    wanted = models.JSONField(help_text="Stripe's prices and their quantities after.")
    quotes = models.JSONField(default=list, help_text="The quotes behind the prices that are wanted.")
    params = models.JSONField(help_text="What Stripe is asked for.")
    due_minor = models.BigIntegerField(help_text="What is charged when it is applied.")
    next_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    next_at = models.DateTimeField()
    effective_at = models.DateTimeField()
    access = models.JSONField(default=dict)
    failure_reason = models.CharField(max_length=255, blank=True)
    expires_at = models.DateTimeField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["principal", "idempotency_key"], name="one_subscription_change_per_key"),
            models.UniqueConstraint(
                fields=["subscription"],
                condition=Q(status__in=["asked", "waiting", "scheduled"]),
                name="one_open_subscription_change",
            ),
            models.CheckConstraint(condition=Q(quantity__gte=1), name="subscription_change_quantity"),
            models.CheckConstraint(condition=Q(when__in=["now", "period_end"]), name="subscription_change_when"),
        )
        indexes = (models.Index(fields=["status_at"], name="subscription_change_asked", condition=Q(status="asked")),)

    def __str__(self) -> str:
        return f"{self.id} {self.status}"

    @property
    def amount(self) -> Money:
        """What is charged when it is applied."""
        return Money(self.due_minor, self.currency)
