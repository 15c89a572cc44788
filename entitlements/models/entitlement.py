from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from events.ids import uuid7
from events.moves import Moving, Table
from pricing.models import Feature, Metering, Plan, PlanFeature, PlanVersion, sound_metering


class SourceType(models.TextChoices):
    """Where access comes from."""

    SUBSCRIPTION = "subscription"
    ONE_TIME = "one_time"
    TRIAL = "trial"
    PROMOTION = "promotion"
    MANUAL = "manual"
    FAMILY = "family"
    IMPORT = "import"


class Reason(models.TextChoices):
    """Why access is held back or was taken away. Billing names the first six; `plan_changed` is ours."""

    PAST_DUE = "past_due"
    UNPAID = "unpaid"
    PAUSED = "paused"
    DISPUTE = "dispute"
    REFUND = "refund"
    CHARGEBACK = "chargeback"
    STAFF = "staff"
    PLAN_CHANGED = "plan_changed"


class Entitlement(Moving, Metering):
    """One grant of one feature to one user, from one source, over `[starts_at, ends_at)` (EN-01).

    With a `family_id` the user's family shares it.
    Whether it gives access is compared with the clock at each read; `expired` and `canceled` only write down what
    the span says already. `limit` null is unlimited (metered). `entitlements.grants` is the only writer.
    """

    class Status(models.TextChoices):
        ACTIVE = "active"
        SUSPENDED = "suspended"
        EXPIRED = "expired"
        CANCELED = "canceled"
        REVOKED = "revoked"

    # A feature that a plan drops and later gives again comes back in the same row: canceled -> active.
    NEXT: ClassVar[Table] = {
        Status.ACTIVE: {Status.SUSPENDED, Status.EXPIRED, Status.CANCELED, Status.REVOKED},
        Status.SUSPENDED: {Status.ACTIVE, Status.EXPIRED, Status.CANCELED, Status.REVOKED},
        Status.EXPIRED: {Status.ACTIVE},
        Status.CANCELED: {Status.ACTIVE},
        Status.REVOKED: set(),
    }

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user_id = models.CharField(max_length=255)
    family_id = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 (EN-01: nullable, most have none)
    feature = models.ForeignKey(
        Feature, on_delete=models.PROTECT, related_name="entitlements", db_column="feature_code", db_index=False
    )
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    version = models.ForeignKey(PlanVersion, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    source_type = models.CharField(max_length=20, choices=SourceType)
    source_id = models.CharField(max_length=255)
    subscription_id = models.CharField(max_length=255, blank=True, help_text="The subscription's id at Stripe.")
    granted_at = models.DateTimeField()
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, blank=True, help_text="Null: for life (PL-07).")
    grace_until = models.DateTimeField(null=True, blank=True)
    limit = models.BigIntegerField(null=True, blank=True)
    period = models.CharField(max_length=10, choices=PlanFeature.Period, blank=True)
    soft = models.BooleanField(default=False)
    value = models.JSONField(null=True, blank=True)
    reason = models.CharField(max_length=32, choices=Reason, blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = (
            # A replay cannot grant twice.
            models.UniqueConstraint(
                fields=["source_type", "source_id", "feature", "user_id"], name="one_entitlement_per_source"
            ),
            # Equal: a grant that was cut at its very start.
            models.CheckConstraint(
                condition=Q(ends_at=None) | Q(ends_at__gte=F("starts_at")), name="entitlement_ends_after_start"
            ),
            models.CheckConstraint(
                condition=Q(grace_until=None) | Q(ends_at__isnull=False, grace_until__gte=F("ends_at")),
                name="entitlement_grace_after_end",
            ),
            models.CheckConstraint(condition=Q(limit=None) | Q(limit__gte=0), name="entitlement_limit_not_negative"),
            models.CheckConstraint(condition=Q(source_type__in=SourceType.values), name="entitlement_source_type"),
            models.CheckConstraint(condition=~Q(source_id="") & ~Q(user_id=""), name="entitlement_has_source_and_user"),
            models.CheckConstraint(condition=Q(reason__in=["", *Reason.values]), name="entitlement_reason"),
            models.CheckConstraint(condition=Q(period__in=["", *PlanFeature.Period.values]), name="entitlement_period"),
            *sound_metering("entitlement"),
        )
        indexes = (
            models.Index(fields=["user_id", "feature"], name="entitlement_check"),
            models.Index(fields=["family_id"], condition=~Q(family_id=None), name="entitlement_family"),
            models.Index(fields=["ends_at"], condition=Q(status="active"), name="entitlement_due"),
        )

    def __str__(self) -> str:
        return f"{self.user_id} {self.feature_id} {self.source_type}:{self.source_id}"
