"""The answer to one question, worked out from facts alone: no database, no clock, no network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from entitlements import overlap
from entitlements.periods import Window, window
from entitlements.reasons import ReasonCode
from entitlements.spans import Grant, barred, in_grace
from pricing.models import Feature


@dataclass(frozen=True, slots=True)
class Origin:
    """Which grant decided. `version` is the plan version's number."""

    type: str
    id: str
    plan_id: str | None
    version: int | None


@dataclass(frozen=True, slots=True)
class Decision:
    """May this user use this feature at `as_of`?

    `limit`, `used` and `remaining` are units of a metered feature, null when unlimited. `expires_at`, `in_grace` and
    `grace_until` are those of the grant that lasts longest, `source` is the grant that decided.
    """

    user_id: str
    feature_code: str
    as_of: datetime
    allowed: bool
    reason_code: ReasonCode
    kind: str | None = None
    value: Any = None
    limit: int | None = None
    unlimited: bool = False
    used: int = 0
    remaining: int | None = None
    period: Window | None = None
    source: Origin | None = None
    in_grace: bool = False
    grace_until: datetime | None = None
    expires_at: datetime | None = None


def decide(
    user_id: str, code: str, feature: Feature | None, grants: Sequence[Grant], *, at: datetime, requested: int = 1
) -> Decision:
    """Decide from the user's grants of the feature. `requested` units are asked for; 0 reads the state only."""
    no = Decision(user_id, code, at, allowed=False, reason_code=ReasonCode.FEATURE_UNKNOWN)
    if feature is None:
        return no
    no = replace(no, kind=feature.kind)
    if feature.archived_at is not None and feature.archived_at <= at:
        return replace(no, reason_code=ReasonCode.FEATURE_ARCHIVED)
    if not grants:
        return replace(no, reason_code=ReasonCode.NO_ENTITLEMENT)
    open_ = [grant for grant in grants if barred(grant, at) is None]
    if not open_:
        return _refused(no, overlap.telling(grants, at))
    return _given(_dated(no, overlap.lasting(open_, at)), feature, open_, requested)


def _refused(no: Decision, grant: Grant) -> Decision:
    reason = barred(grant, no.as_of) or ReasonCode.NO_ENTITLEMENT
    return replace(_dated(no, grant), reason_code=reason, source=_origin(grant), in_grace=False)


def _given(dated: Decision, feature: Feature, grants: Sequence[Grant], requested: int) -> Decision:
    match feature.kind:
        case Feature.Kind.METERED:
            return _metered(dated, feature, grants, requested)
        case Feature.Kind.STATIC:
            winner, value = overlap.merged(grants, feature.merge)
        case _:
            winner, value = overlap.lasting(grants, dated.as_of), None
    reason = _special(dated, winner) or ReasonCode.GRANTED
    return replace(dated, allowed=True, reason_code=reason, value=value, source=_origin(winner))


def _metered(dated: Decision, feature: Feature, grants: Sequence[Grant], requested: int) -> Decision:
    winner, limit = overlap.pooled(grants, dated.as_of, consumable=feature.consumable)
    fits = limit is None or requested <= limit - dated.used
    soft = any(grant.soft for grant in grants)
    if not fits:
        reason = ReasonCode.SOFT_LIMIT_EXCEEDED if soft else ReasonCode.LIMIT_REACHED
    else:
        plain = ReasonCode.UNLIMITED if limit is None else ReasonCode.WITHIN_LIMIT
        reason = _special(dated, winner) or plain
    return replace(
        dated,
        allowed=fits or soft,
        reason_code=reason,
        limit=limit,
        unlimited=limit is None,
        remaining=None if limit is None else max(limit - dated.used, 0),
        period=window(winner.period, anchor=winner.starts_at, at=dated.as_of),
        source=_origin(winner),
    )


def _special(dated: Decision, winner: Grant) -> ReasonCode | None:
    """Name what the user should know: what he paid for is over, or he has not paid yet."""
    if dated.in_grace:
        return ReasonCode.IN_GRACE
    return ReasonCode.TRIAL if winner.source_type == "trial" else None


def _dated(decision: Decision, grant: Grant) -> Decision:
    return replace(
        decision,
        in_grace=in_grace(grant, decision.as_of),
        grace_until=grant.grace_until,
        expires_at=grant.ends_at,
    )


def _origin(grant: Grant) -> Origin:
    return Origin(grant.source_type, grant.source_id, grant.plan_id, grant.version)
