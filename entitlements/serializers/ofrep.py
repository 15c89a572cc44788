"""OFREP 0.3.0, the OpenFeature Remote Evaluation Protocol: a feature is a flag, a decision its evaluation.

A boolean or metered feature is a boolean flag: may the user? A static feature is a flag of its value; without access
it has none, so that the caller's own default counts.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

from config.api import fields
from config.api.kept import Kept
from entitlements.decisions import Decision
from entitlements.reasons import ReasonCode
from pricing.models import Feature

# What a provider repeats of a change that it was told of; an answer is always worked out anew.
HINTS = [OpenApiParameter(name, str) for name in ("flagConfigEtag", "flagConfigLastModified")]
TOLD = ("allowed", "kind", "limit", "unlimited", "used", "reserved", "remaining", "overage", "warning", "in_grace")
METERED = frozenset(("limit", "unlimited", "used", "reserved", "remaining", "overage", "warning"))


class Context(Kept):
    """Whom the question is about; what else an application says of him is not looked at."""

    targetingKey = fields.Text(
        required=False, allow_blank=True, max_length=255, help_text="The user; the caller himself when left out."
    )


class EvaluationRequest(Kept):
    context = Context(required=False)  # type: ignore[assignment]


class EvaluationSerializer(Kept):
    key = serializers.CharField(help_text="The feature's code.")
    value = serializers.JSONField(required=False, help_text="Left out: use your own default.")
    reason = serializers.CharField(help_text="TARGETING_MATCH, DEFAULT or DISABLED.")
    variant = serializers.CharField(help_text="The reason_code of a check.")
    metadata = serializers.DictField(
        child=serializers.JSONField(), help_text="Of the decision: strings, numbers and booleans, by name."
    )

    def to_representation(self, decision: Decision) -> dict[str, Any]:
        """Say a decision in the words of the protocol."""
        value = decision.value if decision.kind == Feature.Kind.STATIC else decision.allowed
        return {
            "key": decision.feature_code,
            **({} if value is None else {"value": value}),
            "reason": _reason(decision, value),
            "variant": str(decision.reason_code),
            "metadata": _metadata(decision),
        }


class EvaluationsSerializer(serializers.Serializer[Any]):
    flags = EvaluationSerializer(many=True)


class FailureSerializer(serializers.Serializer[Any]):
    """How the protocol says that there is no evaluation."""

    key = serializers.CharField(required=False, help_text="Of the flag, when one was asked for.")
    errorCode = serializers.ChoiceField(
        choices=["PARSE_ERROR", "TARGETING_KEY_MISSING", "INVALID_CONTEXT", "FLAG_NOT_FOUND", "GENERAL"]
    )
    errorDetails = serializers.CharField()


def _reason(decision: Decision, value: Any) -> str:
    if decision.reason_code is ReasonCode.FEATURE_ARCHIVED:
        return "DISABLED"
    return "DEFAULT" if value is None or decision.reason_code is ReasonCode.NO_ENTITLEMENT else "TARGETING_MATCH"


def _metadata(decision: Decision) -> dict[str, Any]:
    metered = decision.kind == Feature.Kind.METERED
    told = {name: getattr(decision, name) for name in TOLD if metered or name not in METERED}
    moments: dict[str, datetime | None] = {"expires_at": decision.expires_at, "grace_until": decision.grace_until}
    if decision.period:
        moments |= {"period_start": decision.period.start, "period_end": decision.period.end}
    if decision.source:
        told |= {"source_type": decision.source.type, "plan_id": decision.source.plan_id}
    told |= {name: moment and moment.isoformat() for name, moment in moments.items()}
    return {name: value for name, value in told.items() if value is not None}
