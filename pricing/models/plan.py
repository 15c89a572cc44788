from __future__ import annotations

from django.core.validators import validate_slug
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from events.ids import uuid7
from pricing.constraints import THE_CURRENCY, chargeable
from pricing.models.feature import Feature
from pricing.models.metering import Metering, sound_metering
from pricing.money import Money


class Plan(models.Model):
    """What is sold. Its id is a slug that people write in checkouts; a change of it follows everywhere (PL-09)."""

    id = models.CharField(primary_key=True, max_length=100, validators=[validate_slug])
    name = models.CharField(max_length=255)
    description = models.TextField(blank=True)
    product_line = models.CharField(max_length=100, default="default", validators=[validate_slug])
    active = models.BooleanField(default=True)
    metadata = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = (models.CheckConstraint(condition=Q(id__regex="^[-a-zA-Z0-9_]+$"), name="plan_id_is_a_slug"),)

    def __str__(self) -> str:
        return self.id

    @property
    def current(self) -> PlanVersion | None:
        """The newest published version; None before the first. Reads prefetched versions when there are any."""
        published = [version for version in self.versions.all() if version.published_at]
        return max(published, key=lambda version: version.number, default=None)


class PlanVersion(models.Model):
    """The terms of a plan. Once sold nothing of them changes, by a trigger: a new price is a new version."""

    class Cycle(models.TextChoices):
        MONTHLY = "monthly"
        YEARLY = "yearly"
        ONE_TIME = "one_time"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    billing_cycle = models.CharField(max_length=10, choices=Cycle)
    amount_minor = models.BigIntegerField(help_text="The list price, zone A, in minor units.")
    currency = models.CharField(max_length=3, default="usd", validators=[THE_CURRENCY])
    max_users = models.PositiveIntegerField(null=True, blank=True, help_text="Seats of a family plan, owner included.")
    trial_days = models.PositiveIntegerField(default=0)
    floor_minor = models.BigIntegerField(null=True, blank=True, help_text="No country pays less, in minor units.")
    charm = models.BooleanField(default=False, help_text="Step zone prices down to such as 11.99.")
    published_at = models.DateTimeField(null=True, blank=True)
    sold_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ("plan_id", "number")
        constraints = (
            models.UniqueConstraint(fields=["plan", "number"], name="one_plan_version_per_number"),
            models.CheckConstraint(condition=Q(number__gte=1), name="plan_version_number_from_1"),
            models.CheckConstraint(
                condition=Q(billing_cycle__in=["monthly", "yearly", "one_time"]), name="plan_version_billing_cycle"
            ),
            models.CheckConstraint(condition=Q(amount_minor__gte=0), name="plan_version_amount_not_negative"),
            models.CheckConstraint(
                condition=Q(floor_minor=None) | Q(floor_minor__gte=0, floor_minor__lte=F("amount_minor")),
                name="plan_version_floor_within_amount",
            ),
            models.CheckConstraint(condition=Q(max_users=None) | Q(max_users__gte=1), name="plan_version_max_users"),
            models.CheckConstraint(
                condition=Q(sold_at=None) | Q(published_at__isnull=False), name="plan_version_sold_when_published"
            ),
            chargeable("amount_minor", "plan_version_amount_chargeable"),
            chargeable("floor_minor", "plan_version_floor_chargeable"),
        )

    def __str__(self) -> str:
        return f"{self.plan_id} v{self.number}"

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)

    @property
    def is_free(self) -> bool:
        return self.amount_minor == 0


class PlanFeature(Metering):
    """A feature that a version includes. `limit` null is unlimited; 0 is entitled with nothing included."""

    class Period(models.TextChoices):
        DAY = "day"
        WEEK = "week"
        MONTH = "month"
        QUARTER = "quarter"
        YEAR = "year"
        NEVER = "never"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    version = models.ForeignKey(PlanVersion, on_delete=models.CASCADE, related_name="features")
    feature = models.ForeignKey(Feature, on_delete=models.PROTECT, related_name="+")
    limit = models.BigIntegerField(null=True, blank=True)
    period = models.CharField(max_length=10, choices=Period, null=True, blank=True)  # noqa: DJ001 (no period: not metered)
    soft = models.BooleanField(default=False, help_text="Above the limit: allow and count, rather than refuse.")
    value = models.JSONField(null=True, blank=True, help_text="The value of a static feature.")

    class Meta:
        ordering = ("feature_id",)
        constraints = (
            models.UniqueConstraint(fields=["version", "feature"], name="one_inclusion_per_feature"),
            models.CheckConstraint(condition=Q(limit=None) | Q(limit__gte=0), name="plan_feature_limit_not_negative"),
            models.CheckConstraint(
                condition=Q(period=None) | Q(period__in=["day", "week", "month", "quarter", "year", "never"]),
                name="plan_feature_period",
            ),
            *sound_metering("plan_feature"),
        )

    def __str__(self) -> str:
        return f"{self.version_id} {self.feature_id}"
