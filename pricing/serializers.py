"""How plans, prices and quotes look from outside. Shapes only; nothing is decided here."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from config.api import fields
from config.api.kept import Kept
from config.api.strict import Strict
from events import clock
from pricing import places, quotes, usage_limits
from pricing.features import FIELDS
from pricing.inclusions import COLUMNS
from pricing.models import Feature, Plan, PlanFeature, PlanVersion, Quote
from pricing.money import Money

ISO_CODE = r"^[A-Za-z]{2}\Z"


class UpperField(serializers.CharField):
    """Text shown in upper case, such as a currency (requirements.md, ruling 16)."""

    def to_representation(self, value: str) -> str:
        return value.upper()


class ReasonSerializer(Kept):
    """One step of a price, in order: a stable code, a sentence, and the figures of that step."""

    code = serializers.CharField()
    text = serializers.CharField()
    zone = serializers.CharField(required=False)
    multiplier = serializers.CharField(required=False)
    flagged = serializers.BooleanField(required=False, help_text="The country is not known; zone A was taken.")
    amount_minor = serializers.IntegerField(required=False, help_text="The amount after this step.")


class PriceSerializer(Kept):
    """What a plan costs in a country. `amount` and `base` in minor units."""

    country_code = serializers.CharField(allow_blank=True)
    country = serializers.CharField(source="country_name", allow_blank=True)
    zone = serializers.CharField(source="zone.code")
    zone_name = serializers.CharField(source="zone.name")
    multiplier = serializers.DecimalField(max_digits=5, decimal_places=2)
    base = serializers.IntegerField(source="base.minor", help_text="The list price.")
    base_currency = UpperField(source="base.currency")
    amount = serializers.IntegerField(source="amount.minor")
    currency = UpperField(source="amount.currency")
    amount_decimal = serializers.CharField(source="amount.decimal")
    is_fallback = serializers.BooleanField(help_text="The country is not known; zone A was taken.")
    reasons = ReasonSerializer(many=True)


class PlanFeatureSerializer(Kept, serializers.ModelSerializer[PlanFeature]):
    code = serializers.CharField(source="feature_id")
    name = serializers.CharField(source="feature.name")
    kind = serializers.ChoiceField(Feature.Kind.choices, source="feature.kind")
    unit = serializers.CharField(source="feature.unit")

    class Meta:
        model = PlanFeature
        fields = ("code", "name", "kind", "unit", *COLUMNS)


class PlanVersionSerializer(Kept, serializers.ModelSerializer[PlanVersion]):
    amount = serializers.IntegerField(source="amount_minor", help_text="The list price, in minor units.")
    currency = UpperField()
    amount_decimal = serializers.CharField(source="amount.decimal")
    features = PlanFeatureSerializer(many=True)

    class Meta:
        model = PlanVersion
        fields = (
            "id",
            "number",
            "billing_cycle",
            "amount",
            "currency",
            "amount_decimal",
            "max_users",
            "trial_days",
            "published_at",
            "features",
        )


class PlanSerializer(Kept, serializers.ModelSerializer[Plan]):
    """A plan, the version on sale, its price in `?country=`, and the flat fields that callers before used (PL-01)."""

    version = PlanVersionSerializer(source="current", allow_null=True)
    price = serializers.SerializerMethodField()
    feature_codes = serializers.SerializerMethodField()
    usage_limits = serializers.SerializerMethodField()
    price_cents = serializers.IntegerField(source="current.amount_minor", default=None, allow_null=True)
    currency = UpperField(source="current.currency", default=None, allow_null=True)
    billing_cycle = serializers.CharField(source="current.billing_cycle", default=None, allow_null=True)
    max_users = serializers.IntegerField(source="current.max_users", default=None, allow_null=True)

    class Meta:
        model = Plan
        fields = (
            "id",
            "name",
            "description",
            "product_line",
            "active",
            "version",
            "price",
            "feature_codes",
            "usage_limits",
            "price_cents",
            "currency",
            "billing_cycle",
            "max_users",
            "metadata",
            "created_at",
            "updated_at",
        )

    @extend_schema_field(PriceSerializer(allow_null=True))
    def get_price(self, plan: Plan) -> dict[str, Any] | None:
        """Price the version on sale where the request asks."""
        current = plan.current
        if current is None:
            return None
        found = quotes.price_in(self._place, current, plan.overrides.all(), at=self._now)
        return dict(PriceSerializer(found).data)

    def get_feature_codes(self, plan: Plan) -> list[str]:
        """List what the version on sale includes."""
        return [included.feature_id for included in self._included(plan)]

    @extend_schema_field({"type": "object", "additionalProperties": {"type": "object"}})
    def get_usage_limits(self, plan: Plan) -> dict[str, dict[str, Any]]:
        """Map metered features to their limit: null is unlimited."""
        return {
            included.feature_id: usage_limits.shown(included)
            for included in self._included(plan)
            if included.feature.kind == Feature.Kind.METERED
        }

    @staticmethod
    def _included(plan: Plan) -> list[PlanFeature]:
        return list(plan.current.features.all()) if plan.current else []

    @cached_property
    def _place(self) -> places.Place:
        return places.find(self.context["request"].query_params.get("country"))

    @cached_property
    def _now(self) -> Any:
        return clock.now()


class FeatureSerializer(Kept, serializers.ModelSerializer[Feature]):
    class Meta:
        model = Feature
        fields = ("code", *FIELDS, "archived_at")


class PlanQuery(Strict):
    """Where the prices are asked for."""

    country = fields.Pattern(ISO_CODE, like="IN", required=False, help_text="ISO 3166-1 alpha-2, such as IN.")


class QuoteRequestSerializer(Strict):
    plan_id = fields.Slug(max_length=100)
    country_code = fields.Pattern(
        ISO_CODE, like="IN", required=False, allow_blank=True, default="", help_text="Left out: unknown, zone A."
    )


class QuoteSerializer(Kept, serializers.ModelSerializer[Quote]):
    plan_id = serializers.CharField(source="version.plan_id")
    plan_version = serializers.IntegerField(source="version.number")
    zone = serializers.CharField(source="zone_code")
    base = serializers.IntegerField(source="base_minor")
    base_currency = UpperField(source="version.currency")
    amount = serializers.IntegerField(source="amount_minor")
    currency = UpperField()
    amount_decimal = serializers.SerializerMethodField()
    reasons = ReasonSerializer(many=True)

    class Meta:
        model = Quote
        fields = (
            "id",
            "plan_id",
            "plan_version",
            "country_code",
            "zone",
            "multiplier",
            "base",
            "base_currency",
            "amount",
            "currency",
            "amount_decimal",
            "reasons",
            "created_at",
            "expires_at",
        )

    def get_amount_decimal(self, quote: Quote) -> str:
        """Write the amount with its currency's places."""
        return Money(quote.amount_minor, quote.currency).decimal
