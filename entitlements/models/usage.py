from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from events.asking import Keyed
from events.ids import uuid7
from events.moves import Moving, Table
from pricing.models import Feature


class UsageCounter(models.Model):
    """What was used of one pool in one period, in the feature's unit. A missing row is 0.

    `pool` is the grant that pays, or none: for an allocated feature, which is counted by subject, and for what
    overrides of a limit give. `subject` is `user:<id>` or `family:<id>`, and `member` names one member's share of a
    family's pool. `ceiling` is what the hard limit was when it was last written to, or what was used already if that is
    more; null is a soft limit, or none.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    subject = models.CharField(max_length=300)
    feature = models.ForeignKey(
        Feature, on_delete=models.PROTECT, related_name="+", db_column="feature_code", db_index=False
    )
    pool = models.UUIDField(null=True, blank=True)
    member = models.CharField(max_length=255, blank=True)
    period_start = models.DateTimeField()
    period_end = models.DateTimeField(null=True, blank=True)
    rolled = models.BigIntegerField(default=0, help_text="What was left of the period before, and moved on.")
    used = models.BigIntegerField(default=0)
    reserved = models.BigIntegerField(default=0)
    ceiling = models.BigIntegerField(null=True, blank=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["subject", "feature", "pool", "member", "period_start"],
                nulls_distinct=False,
                name="one_counter_per_period",
            ),
            models.CheckConstraint(
                condition=Q(used__gte=0, reserved__gte=0, rolled__gte=0), name="counter_not_negative"
            ),
            models.CheckConstraint(
                condition=Q(ceiling=None) | Q(ceiling__gte=F("used") + F("reserved")), name="counter_within_ceiling"
            ),
        )

    def __str__(self) -> str:
        return f"{self.subject} {self.feature_id} from {self.period_start}: {self.used} + {self.reserved}"


class UsageEvent(models.Model):
    """One use that was recorded, once for each id that its sender gave it. A trigger refuses to change it.

    `counters` and `shares` say which pools paid, and how much each; `units` is their sum, below 0 for a correction.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    principal = models.CharField(max_length=300)
    event_id = models.CharField(max_length=512, help_text="The sender's own; CloudEvents: source and id.")
    request_hash = models.CharField(max_length=64)
    user_id = models.CharField(max_length=255)
    # A trigger asks for all rows of a statement at once; the counter that paid keeps the feature.
    feature = models.ForeignKey(
        Feature,
        on_delete=models.PROTECT,
        related_name="+",
        db_column="feature_code",
        db_index=False,
        db_constraint=False,
    )
    units = models.BigIntegerField()
    overage = models.BigIntegerField(default=0, help_text="How much of it was above a soft limit.")
    counters = ArrayField(models.UUIDField(), default=list)
    shares = ArrayField(models.BigIntegerField(), default=list)
    at = models.DateTimeField(help_text="When it was used.")
    recorded_at = models.DateTimeField()
    corrects = models.UUIDField(null=True, blank=True)
    reservation = models.UUIDField(null=True, blank=True)
    reason = models.TextField(blank=True)
    metadata = models.JSONField(default=dict, blank=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["principal", "event_id"], name="one_usage_per_event_id"),)
        indexes = (
            models.Index(fields=["user_id", "feature", "at"], name="usage_of_a_user"),
            models.Index(fields=["corrects"], condition=~Q(corrects=None), name="usage_corrections"),
            models.Index(fields=["reservation"], condition=~Q(reservation=None), name="usage_of_a_reservation"),
        )

    def __str__(self) -> str:
        return f"{self.units} {self.feature_id} of {self.user_id}"


class UsageThreshold(models.Model):
    """A share of a limit, in percent, that was reached: told once in a period."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    subject = models.CharField(max_length=300)
    feature = models.ForeignKey(
        Feature, on_delete=models.PROTECT, related_name="+", db_column="feature_code", db_index=False
    )
    period_start = models.DateTimeField()
    percent = models.PositiveSmallIntegerField()
    used = models.BigIntegerField()
    limit = models.BigIntegerField()
    at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["subject", "feature", "period_start", "percent"], name="one_threshold_per_period"
            ),
        )

    def __str__(self) -> str:
        return f"{self.subject} reached {self.percent} % of {self.feature_id}"


class Reservation(Moving, Keyed):
    """Units that are held until they are used or given back, at the latest at `expires_at`."""

    class Status(models.TextChoices):
        HELD = "held"
        COMMITTED = "committed"
        RELEASED = "released"
        EXPIRED = "expired"

    NEXT: ClassVar[Table] = {
        Status.HELD: {Status.COMMITTED, Status.RELEASED, Status.EXPIRED},
        Status.COMMITTED: set(),
        Status.RELEASED: set(),
        Status.EXPIRED: set(),
    }

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user_id = models.CharField(max_length=255)
    feature = models.ForeignKey(
        Feature, on_delete=models.PROTECT, related_name="+", db_column="feature_code", db_index=False
    )
    units = models.BigIntegerField()
    overage = models.BigIntegerField(default=0, help_text="How much of it was above a soft limit.")
    committed = models.BigIntegerField(null=True, blank=True)
    counters = ArrayField(models.UUIDField(), default=list)
    shares = ArrayField(models.BigIntegerField(), default=list)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    metadata = models.JSONField(default=dict, blank=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["principal", "idempotency_key"], name="one_reservation_per_key"),
            models.CheckConstraint(condition=Q(units__gt=0), name="reservation_of_something"),
            models.CheckConstraint(condition=Q(expires_at__gt=F("created_at")), name="reservation_ends_after_start"),
        )
        indexes = (
            models.Index(fields=["expires_at"], condition=Q(status="held"), name="reservation_due"),
            models.Index(fields=["user_id", "feature"], name="reservation_of_a_user"),
        )

    def __str__(self) -> str:
        return f"{self.units} {self.feature_id} held for {self.user_id}"
