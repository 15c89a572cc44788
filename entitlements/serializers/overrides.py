from __future__ import annotations

from typing import Any

from rest_framework import serializers

from config.api import fields
from config.api.kept import Kept
from config.api.strict import Strict
from entitlements.models import Override
from entitlements.overrides import Ruling


class NewOverride(Strict):
    """What staff say of one feature of one user: allow, deny, or another value or limit."""

    user_id = fields.Text(max_length=255)
    feature_code = fields.Slug(max_length=100)
    effect = fields.Choice(choices=Override.Effect.choices, help_text="A deny beats everything.")
    value = fields.Json(required=False, help_text="Of a static feature.")
    limit = fields.Integer(required=False, allow_null=True, min_value=0, help_text="Metered; null is unlimited.")
    operation = fields.Choice(
        choices=Override.Operation.choices, default="set", help_text="How the limit meets that of the grants."
    )
    starts_at = fields.Moment(required=False, help_text="Now when left out; what is past stays as it was.")
    ends_at = fields.Moment(required=False, allow_null=True, help_text="Null or left out: until it is removed.")
    ticket = fields.Text(required=False, max_length=255, help_text="Where it was asked for.")
    reason = fields.Text(max_length=500, help_text="Why, for history. Name no person.")

    def ruling(self) -> Ruling:
        """Return what is to be said."""
        kept = {name: said for name, said in self.validated_data.items() if name not in ("user_id", "reason")}
        return Ruling(**kept, has_limit="limit" in kept)


class OverrideQuery(Strict):
    """Which overrides a list shows."""

    user_id = fields.Text(required=False, max_length=255)
    feature_code = fields.Slug(required=False, max_length=100)


class OverrideSerializer(Kept, serializers.ModelSerializer[Override]):
    feature_code = serializers.CharField(source="feature_id")
    value: Any = serializers.JSONField(allow_null=True)

    class Meta:
        model = Override
        fields = (
            "id",
            "user_id",
            "feature_code",
            "effect",
            "value",
            "limit",
            "operation",
            "starts_at",
            "ends_at",
            "reason",
            "ticket",
            "actor",
            "created_at",
            "removed_at",
        )
