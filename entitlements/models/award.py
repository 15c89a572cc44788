from __future__ import annotations

from django.db import models
from django.db.models import Q

from entitlements.models.entitlement import SourceType
from events.asking import Keyed
from events.ids import uuid7
from pricing.models import Feature, PlanVersion

# What people and services decide: money never touches it.
DECIDED = (SourceType.MANUAL, SourceType.PROMOTION, SourceType.IMPORT, SourceType.TRIAL)


class Award(Keyed):
    """One decision to give a user a plan's features, or one feature, without a purchase (EN-05).

    Its id is the source of the grants that follow from it.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user_id = models.CharField(max_length=255)
    source_type = models.CharField(max_length=20, choices=[(kind.value, kind.label) for kind in DECIDED])
    version = models.ForeignKey(PlanVersion, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    feature = models.ForeignKey(
        Feature, on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_column="feature_code"
    )
    reason = models.TextField()
    actor = models.CharField(max_length=300)
    created_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["principal", "idempotency_key"], name="one_award_per_key"),
            models.CheckConstraint(
                condition=Q(source_type__in=["manual", "promotion", "import", "trial"]), name="award_source_type"
            ),
            models.CheckConstraint(
                condition=Q(version=None, feature__isnull=False) | Q(version__isnull=False, feature=None),
                name="award_of_a_plan_or_a_feature",
            ),
            models.CheckConstraint(condition=~Q(reason="") & ~Q(user_id=""), name="award_has_reason_and_user"),
        )

    def __str__(self) -> str:
        return f"{self.version or self.feature_id} for {self.user_id}"
