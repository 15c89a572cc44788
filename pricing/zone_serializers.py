"""How countries and their zones look from outside, and how they are written."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from rest_framework import serializers

from config.api import fields
from config.api.kept import Kept
from config.api.strict import Strict
from pricing.constraints import MAX_MULTIPLIER
from pricing.models import Country, Zone
from pricing.serializers import ISO_CODE

MAX_ROWS = 300


class PricingZoneSerializer(Kept, serializers.ModelSerializer[Country]):
    """One country, flat: its zone's fields stand in every row (PZ-01, ruling 30)."""

    country = serializers.CharField(source="name")
    zone = serializers.CharField(source="zone_id")
    zone_name = serializers.CharField(source="zone.name")
    gni_per_capita_threshold = serializers.CharField(source="zone.gni_per_capita_threshold")
    pricing_multiplier = serializers.DecimalField(max_digits=5, decimal_places=2, source="effective_multiplier")

    class Meta:
        model = Country
        fields = (
            "id",
            "country",
            "iso_code",
            "zone",
            "zone_name",
            "world_bank_classification",
            "gni_per_capita_threshold",
            "pricing_multiplier",
            "dataset",
            "reason",
            "created_at",
            "updated_at",
        )


class PricingZoneQuery(Strict):
    """Which countries: those of a zone, or the one of that name in any case."""

    zone = fields.Choice(Zone.Code.choices, required=False)
    country = fields.Text(max_length=255, required=False)


class PricingZoneRequestSerializer(Strict):
    """What a country should be. What is left out stays as it is; a multiplier of null takes the zone's."""

    country = fields.Text(max_length=255, source="name")
    zone = fields.Choice(Zone.Code.choices, source="zone_id")
    pricing_multiplier = fields.ExactDecimal(
        max_digits=5,
        decimal_places=2,
        min_value=Decimal("0.01"),
        max_value=MAX_MULTIPLIER,
        required=False,
        allow_null=True,
        source="multiplier",
    )
    world_bank_classification = fields.Text(max_length=100, required=False, allow_blank=True)
    dataset = fields.Text(max_length=100, required=False, allow_blank=True)
    reason = fields.Text(max_length=2000, required=False, allow_blank=True)


class PricingZoneRowSerializer(PricingZoneRequestSerializer):
    iso_code = fields.Pattern(ISO_CODE, like="IN", help_text="ISO 3166-1 alpha-2.")

    def validate_iso_code(self, iso_code: str) -> str:
        """Take any case."""
        return iso_code.upper()


class BulkRequestSerializer(Strict):
    # The stubs know max_length only on the list that many=True makes of it.
    rows = PricingZoneRowSerializer(many=True, allow_empty=False, max_length=MAX_ROWS)  # type: ignore[call-arg]
    dry_run = fields.Boolean(default=False)

    def validate_rows(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Refuse a country that is named twice, at the row that repeats it."""
        seen: set[str] = set()
        errors: list[dict[str, Any]] = []
        for row in rows:
            twice = row["iso_code"] in seen
            errors.append({"iso_code": [f"{row['iso_code']} is named twice."]} if twice else {})
            seen.add(row["iso_code"])
        if any(errors):
            raise serializers.ValidationError(errors)
        return rows


class ZoneChangeSerializer(Kept):
    iso_code = serializers.CharField(source="key")
    before = serializers.DictField(child=serializers.CharField(allow_null=True), allow_null=True)
    after = serializers.DictField(child=serializers.CharField(allow_null=True))


class BulkSerializer(Kept):
    """What was done, or would be: ISO codes, the changes in full, and how many open quotes keep their price."""

    dry_run = serializers.BooleanField()
    added = serializers.ListField(child=serializers.CharField())
    changed = serializers.ListField(child=serializers.CharField())
    unchanged = serializers.ListField(child=serializers.CharField())
    changes = ZoneChangeSerializer(many=True)
    open_quotes = serializers.IntegerField()
