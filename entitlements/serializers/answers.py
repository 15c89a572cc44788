"""Decisions as JSON, as `DecisionSerializer` describes them: by hand, because there may be 10,000 at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from entitlements.considered import Considered
from entitlements.decisions import Decision, Origin
from entitlements.explain import Explanation
from entitlements.turns import Change


def shown(decision: Decision) -> dict[str, Any]:
    """Show one decision."""
    period, source = decision.period, decision.source
    return {
        "allowed": decision.allowed,
        "reason_code": decision.reason_code.value,
        "user_id": decision.user_id,
        "feature_code": decision.feature_code,
        "kind": decision.kind,
        "value": decision.value,
        "limit": decision.limit,
        "unlimited": decision.unlimited,
        "used": decision.used,
        "reserved": decision.reserved,
        "remaining": decision.remaining,
        "overage": decision.overage,
        "warning": decision.warning,
        "period": period and {"name": period.name, "start": moment(period.start), "end": moment(period.end)},
        "source": source and _origin(source),
        "family_id": decision.family_id,
        "in_grace": decision.in_grace,
        "grace_until": moment(decision.grace_until),
        "expires_at": moment(decision.expires_at),
        "as_of": moment(decision.as_of),
        "fresh_until": moment(decision.fresh_until),
    }


def lasting(decision: Decision) -> dict[str, Any]:
    """Show of a decision what stays the same from one moment to the next, until a date that matters."""
    return {**shown(decision), "as_of": None, "fresh_until": moment(decision.changes_at)}


def explained(explanation: Explanation) -> dict[str, Any]:
    """Show a decision, and why."""
    return {
        **shown(explanation.decision),
        "considered": [_considered(each) for each in explanation.considered],
        "would_allow": [_change(each) for each in explanation.would_allow],
    }


def _origin(source: Origin) -> dict[str, Any]:
    return {"type": source.type, "id": source.id, "plan_id": source.plan_id, "version": source.version}


def _considered(each: Considered) -> dict[str, Any]:
    return {
        "id": str(each.id),
        "source": _origin(each.source),
        "effect": each.effect,
        "outcome": each.outcome.value,
        "reason": each.reason and each.reason.value,
        "starts_at": moment(each.starts_at),
        "ends_at": moment(each.ends_at),
    }


def _change(each: Change) -> dict[str, Any]:
    return {
        "change": each.turn.value,
        "ids": [str(each_id) for each_id in each.ids],
        "units": each.units,
        "at": moment(each.at),
        "plan": each.offer and asdict(each.offer),
    }


@lru_cache(maxsize=1024)
def moment(at: datetime | None) -> str | None:
    """Show a moment of UTC as the rest of the API does."""
    return at.isoformat().removesuffix("+00:00") + "Z" if at else None


def with_effect(rows: Sequence[Mapping[str, Any]], giving: Collection[UUID]) -> list[dict[str, Any]]:
    """Show which of the listed grants give access at the moment that was asked for."""
    ids = {str(each) for each in giving}
    return [{**row, "effective": row["id"] in ids} for row in rows]
