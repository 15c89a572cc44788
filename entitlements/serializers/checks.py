from __future__ import annotations

from datetime import datetime
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from config.api import fields
from config.api.masking import Masked, hidden_values, tail
from config.api.strict import Strict
from entitlements import spans
from entitlements.models import Entitlement, SourceType
from entitlements.reasons import ReasonCode
from pricing.models import Feature, PlanFeature
from pricing.usage_limits import shown


class MomentQuery(Strict):
    at = fields.Moment(required=False, help_text="RFC 3339 with an offset; the database's clock when left out.")


class Question(MomentQuery):
    """May this user use so much of this feature at this moment?"""

    user_id = fields.Text(required=False, max_length=255, help_text="The caller himself when left out (role user).")
    feature_code = fields.Text(max_length=100)
    requested = fields.Integer(min_value=0, default=1, help_text="Units of a metered feature; 0 reads the state only.")
    family_id = fields.Uuid(required=False, help_text="Ask as a member of this family; whoever is none is told so.")
    explain = fields.Boolean(default=False, help_text="Tell too what was considered, and what would turn a no.")


class QuestionQuery(Question):
    """The same question in an address."""

    requested = fields.Integer(text=True, min_value=0, default=1, help_text="Units of a metered feature.")
    explain = fields.Choice(  # type: ignore[assignment]
        choices=["true", "false"], default="false", help_text="Tell too what was considered."
    )

    def validate_explain(self, said: str) -> bool:
        """Read it as the body's boolean."""
        return said == "true"


class ListQuery(MomentQuery):
    """What the list of a user's entitlements takes beside a page's position."""

    status = fields.Choice(
        required=False, choices=[*Entitlement.Status, "cancelled"], help_text="`cancelled` is taken for `canceled`."
    )

    def validate_status(self, status: str) -> str:
        """Take the other spelling too (requirements.md, ruling 2)."""
        return Entitlement.Status.CANCELED if status == "cancelled" else status


class WindowSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(help_text="day, week, month, quarter or year.")
    start = serializers.DateTimeField()
    end = serializers.DateTimeField()


class SourceSerializer(serializers.Serializer[Any]):
    type = serializers.ChoiceField(choices=[*SourceType.choices, ("override", "Override")])
    id = serializers.CharField()
    plan_id = serializers.CharField(allow_null=True)
    version = serializers.IntegerField(allow_null=True)


class UsageLimitSerializer(serializers.Serializer[Any]):
    limit = serializers.IntegerField(allow_null=True, help_text="Null: unlimited.")
    period = serializers.ChoiceField(choices=PlanFeature.Period.choices)
    soft = serializers.BooleanField()


class DecisionSerializer(serializers.Serializer[Any]):
    """The answer. `allowed: false` is an answer too, and comes with 200."""

    allowed = serializers.BooleanField()
    reason_code = serializers.ChoiceField(choices=[(code.value, code.value) for code in ReasonCode])
    user_id = serializers.CharField()
    feature_code = serializers.CharField()
    kind = serializers.ChoiceField(choices=Feature.Kind.choices, allow_null=True)
    value = serializers.JSONField(allow_null=True, help_text="Of a static feature.")
    limit = serializers.IntegerField(allow_null=True, help_text="Of a metered feature, in its unit.")
    unlimited = serializers.BooleanField()
    used = serializers.IntegerField()
    reserved = serializers.IntegerField(help_text="Held by reservations.")
    remaining = serializers.IntegerField(allow_null=True, help_text="Null when unlimited.")
    overage = serializers.IntegerField(help_text="Used above a soft limit.")
    warning = serializers.IntegerField(allow_null=True, help_text="The highest told percentage that was passed.")
    period = WindowSerializer(allow_null=True, help_text="`[start, end)` that the limit counts in.")
    source = SourceSerializer(allow_null=True, help_text="The grant that decided.")  # type: ignore[assignment]
    family_id = serializers.CharField(allow_null=True, help_text="Whose grant decided, when it is a family's.")
    in_grace = serializers.BooleanField()
    grace_until = serializers.DateTimeField(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True, help_text="Null: for life, or never granted.")
    as_of = serializers.DateTimeField()
    fresh_until = serializers.DateTimeField(
        allow_null=True, help_text="Until when the answer may be kept; null for ever, of a moment that is past."
    )


class EntitlementSerializer(Masked, serializers.ModelSerializer[Entitlement]):
    """One grant (EN-01). Whether it gives access at the moment asked for is said by `effective`; no status says it."""

    masked = {"subscription_id": tail, "metadata": hidden_values}
    feature_code = serializers.CharField(source="feature_id")
    plan_id = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(choices=Entitlement.Status.choices)
    subscription_id = serializers.SerializerMethodField()
    source = serializers.SerializerMethodField()  # type: ignore[assignment]
    expires_at = serializers.DateTimeField(source="ends_at", allow_null=True, help_text="Null: for life.")
    effective = serializers.SerializerMethodField()
    usage_limits = serializers.SerializerMethodField()

    class Meta:
        model = Entitlement
        fields = (
            "id",
            "user_id",
            "family_id",
            "feature_code",
            "plan_id",
            "subscription_id",
            "source",
            "status",
            "status_at",
            "reason",
            "effective",
            "granted_at",
            "starts_at",
            "expires_at",
            "grace_until",
            "usage_limits",
            "value",
            "metadata",
            "created_at",
            "updated_at",
        )

    def get_subscription_id(self, row: Entitlement) -> str | None:
        """Name the subscription at Stripe; null where there is none (EN-01)."""
        return row.subscription_id or None

    @extend_schema_field(SourceSerializer)
    def get_source(self, row: Entitlement) -> dict[str, Any]:
        """Say where the grant comes from, as a decision does."""
        number = row.version.number if row.version else None
        return {"type": row.source_type, "id": row.source_id, "plan_id": row.plan_id, "version": number}

    def get_effective(self, row: Entitlement) -> bool:
        """Compare the grant's span and status with the moment that the row was annotated with."""
        at: datetime = row.as_of  # type: ignore[attr-defined]
        return spans.barred(row, at) is None

    @extend_schema_field(serializers.DictField(child=UsageLimitSerializer()))
    def get_usage_limits(self, row: Entitlement) -> dict[str, Any]:
        """Give the limit by feature code, as plans do (US-03); empty when the feature is not metered."""
        return {row.feature_id: shown(row)} if row.period else {}


class EntitlementsPage(serializers.Serializer[Any]):
    """A page of grants, and what they give together: one answer for a whole screen."""

    data = EntitlementSerializer(many=True)  # type: ignore[assignment]
    has_more = serializers.BooleanField()
    next_cursor = serializers.CharField(allow_null=True, help_text="Give it as starting_after.")
    total = serializers.IntegerField(required=False, help_text="Only where offset was given.")
    features = DecisionSerializer(many=True, help_text="One decision for each feature of any grant, page or not.")
