from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class PolicyRule(models.Model):
    """What one cause does to what one kind of source granted. `billing.policy` reads it, `billing.rules` writes it."""

    class Kind(models.TextChoices):
        ONE_TIME = "one_time", "a one-time purchase"
        SUBSCRIPTION = "subscription", "a subscription that was paid once or more"
        TRIAL = "trial", "a subscription that was never paid"

    class Cause(models.TextChoices):
        FULL_REFUND = "full_refund"
        PARTIAL_REFUND = "partial_refund"
        DISPUTE_OPENED = "dispute_opened"
        DISPUTE_WON = "dispute_won"
        DISPUTE_LOST = "dispute_lost"
        PAST_DUE = "past_due"
        UNPAID = "unpaid"
        PAUSED = "paused"
        UNCOLLECTIBLE = "uncollectible"

    class Action(models.TextChoices):
        KEEP = "keep"
        SHORTEN = "shorten"
        SUSPEND = "suspend"
        REVOKE = "revoke"

    kind = models.CharField(max_length=20, choices=Kind)
    cause = models.CharField(max_length=20, choices=Cause)
    action = models.CharField(max_length=10, choices=Action)
    days = models.PositiveSmallIntegerField(
        default=0,
        help_text="Shorten: access ends so many days after the refund, the dispute, or the end of what was paid.",
    )
    due = models.BooleanField(default=False, help_text="It was changed, and not everybody's access follows it yet.")
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["kind", "cause"], name="one_rule_per_cause"),
            models.CheckConstraint(
                condition=Q(action__in=["keep", "shorten", "suspend", "revoke"]), name="policy_action"
            ),
            models.CheckConstraint(condition=Q(days=0) | Q(action="shorten"), name="policy_days_shorten"),
        )

    def __str__(self) -> str:
        return f"{self.kind}: {self.cause}"
