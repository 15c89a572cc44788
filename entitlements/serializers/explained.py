from __future__ import annotations

from typing import Any

from rest_framework import serializers

from entitlements.considered import WORDS, Outcome
from entitlements.models import Override
from entitlements.serializers.checks import DecisionSerializer, SourceSerializer
from entitlements.turns import Turn
from pricing.models import PlanVersion


class ConsideredSerializer(serializers.Serializer[Any]):
    """One grant or override that was looked at."""

    id = serializers.UUIDField()
    source = SourceSerializer()  # type: ignore[assignment]
    effect = serializers.ChoiceField(choices=Override.Effect.choices, allow_null=True, help_text="Of an override.")
    outcome = serializers.ChoiceField(choices=[(each.value, each.value) for each in Outcome])
    reason = serializers.ChoiceField(
        choices=[(each.value, each.value) for each in WORDS], allow_null=True, help_text="What speaks against it."
    )
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField(allow_null=True)


class OfferSerializer(serializers.Serializer[Any]):
    """A plan for sale, and its list price (zone A) in minor units."""

    plan_id = serializers.CharField()
    version = serializers.IntegerField()
    amount_minor = serializers.IntegerField()
    currency = serializers.CharField()
    billing_cycle = serializers.ChoiceField(choices=PlanVersion.Cycle.choices)


class WouldAllowSerializer(serializers.Serializer[Any]):
    """A change that alone would turn the answer."""

    change = serializers.ChoiceField(choices=[(each.value, each.value) for each in Turn])
    ids = serializers.ListField(child=serializers.UUIDField(), help_text="Of which grants or overrides.")
    units = serializers.IntegerField(allow_null=True)
    at = serializers.DateTimeField(allow_null=True)
    plan = OfferSerializer(allow_null=True)


class ExplainedSerializer(DecisionSerializer):
    """The answer; with `explain` also why."""

    considered = ConsideredSerializer(many=True, required=False, help_text="With explain: all that was looked at.")
    would_allow = WouldAllowSerializer(many=True, required=False, help_text="With explain: what would turn a no.")
