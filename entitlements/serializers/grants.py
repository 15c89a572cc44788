from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from config.api import fields
from config.api.kept import Kept
from config.api.strict import Strict
from entitlements.awards import Gift
from entitlements.models import DECIDED, Award, Entitlement
from entitlements.serializers.checks import EntitlementSerializer

WHY = "Why, for history. Name no person."
SPELLINGS = {"cancelled": Entitlement.Status.CANCELED}
SETTABLE = ("active", "suspended", "revoked", "canceled", *SPELLINGS)


class NewAward(Strict):
    """Give a user a plan's features, or one feature, without a purchase (EN-05, EN-06)."""

    user_id = fields.Text(max_length=255)
    plan_id = fields.Slug(max_length=100, required=False, help_text="Give what this plan includes now.")
    feature_code = fields.Slug(max_length=100, required=False, help_text="Give this feature alone.")
    source_type = fields.Choice(choices=[kind.value for kind in DECIDED], default="manual")
    starts_at = fields.Moment(required=False, help_text="Now when left out.")
    expires_at = fields.Moment(required=False, allow_null=True, help_text="Null or left out: for life.")
    usage_limits = fields.Json(
        required=False, help_text='By feature code, such as {"api_calls": {"limit": 500, "period": "month"}}.'
    )
    value = fields.Json(required=False, help_text="Of a static feature that is given alone.")
    metadata = fields.Metadata(required=False)
    reason = fields.Text(max_length=500, help_text=WHY)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse both and neither of plan and feature, and a value beside a plan."""
        if ("plan_id" in attrs) == ("feature_code" in attrs):
            raise serializers.ValidationError({"plan_id": "Name a plan or a feature, and not both."})
        if "plan_id" in attrs and attrs.get("value") is not None:
            raise serializers.ValidationError({"value": "A plan brings its own values."})
        return attrs

    def gift(self) -> Gift:
        """Return what is to be given."""
        said = self.validated_data
        return Gift(
            plan_id=said.get("plan_id", ""),
            feature_code=said.get("feature_code", ""),
            source_type=said["source_type"],
            starts_at=said.get("starts_at"),
            ends_at=said.get("expires_at"),
            limits=said.get("usage_limits"),
            value=said.get("value"),
            metadata=said.get("metadata", {}),
        )


class Amendment(Strict):
    """What may be changed of one grant. A paid one keeps its end."""

    status = fields.Choice(choices=SETTABLE, required=False, help_text="`cancelled` is taken for `canceled`.")
    expires_at = fields.Moment(required=False, allow_null=True, help_text="Null: for life.")
    reason = fields.Text(max_length=500, help_text=WHY)

    def validate_status(self, status: str) -> str:
        """Take the other spelling too (requirements.md, ruling 2)."""
        return SPELLINGS.get(status, status)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse a change of nothing, and an end for what is ended."""
        if "status" not in attrs and "expires_at" not in attrs:
            raise serializers.ValidationError({"status": "Name a status, an expires_at or both."})
        if "expires_at" in attrs and attrs.get("status") in ("revoked", "canceled"):
            raise serializers.ValidationError({"expires_at": "What is ended has no other end."})
        return attrs


class AwardSerializer(Kept, serializers.ModelSerializer[Award]):
    """One decision, and the grants that followed from it, as they are now."""

    plan_id = serializers.CharField(source="version.plan_id", default=None, allow_null=True)
    feature_code = serializers.CharField(source="feature_id", allow_null=True)
    source_type = serializers.ChoiceField(choices=[kind.value for kind in DECIDED])
    entitlements = serializers.SerializerMethodField()

    class Meta:
        model = Award
        fields = ("id", "user_id", "plan_id", "feature_code", "source_type", "reason", "created_at", "entitlements")

    @extend_schema_field(EntitlementSerializer(many=True))
    def get_entitlements(self, award: Award) -> Any:
        """Show the grants that the view found."""
        return EntitlementSerializer(self.context["grants"], many=True, context=self.context).data
