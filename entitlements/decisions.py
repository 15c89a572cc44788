"""The answer to one question, worked out from facts alone: no database, no clock, no network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from entitlements import boundaries, meters, overlap
from entitlements.meters import NO_TALLIES, Reading
from entitlements.periods import Window
from entitlements.pools import Tallies
from entitlements.reasons import ReasonCode
from entitlements.rules import Rule, in_force
from entitlements.spans import FAR, Grant, barred, in_grace
from pricing.models import Feature

# A no is asked again sooner: somebody may be waiting for it to turn.
KEPT, NO_KEPT = timedelta(seconds=30), timedelta(seconds=5)
# What a decision will be made of, by its names: a frozen one that is copied at each step costs twice the answer.
Draft = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Origin:
    """Which grant or override decided. `version` is the plan version's number."""

    type: str
    id: str
    plan_id: str | None
    version: int | None


@dataclass(frozen=True, slots=True)
class Decision:
    """May this user use this feature at `as_of`?

    `limit`, `used`, `reserved`, `remaining` and `overage` (used above a soft limit) are units of a metered feature,
    `limit` and `remaining` null when unlimited; `warning` is the highest share of the limit, in percent, that was
    passed of those that are told. `expires_at`, `in_grace` and `grace_until` are those of the grant that lasts longest,
    `source` is what decided, and `family_id` is set when it is a family's. `changes_at` is when the next date of all
    that was looked at comes, and `asked_at` when somebody asked who named a moment.
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
    reserved: int = 0
    remaining: int | None = None
    overage: int = 0
    warning: int | None = None
    period: Window | None = None
    source: Origin | None = None
    family_id: str | None = None
    in_grace: bool = False
    grace_until: datetime | None = None
    expires_at: datetime | None = None
    changes_at: datetime | None = None
    asked_at: datetime | None = None

    @property
    def fresh_until(self) -> datetime | None:
        """Until when a client may keep the answer. None: for ever, it is of a moment that is past."""
        kept = KEPT if self.allowed else NO_KEPT
        if self.asked_at is None or self.as_of == self.asked_at:
            return min(self.as_of + kept, self.changes_at or FAR)
        return None if self.as_of < self.asked_at else self.asked_at + kept


def decide(
    user_id: str,
    code: str,
    feature: Feature | None,
    grants: Sequence[Grant],
    *,
    at: datetime,
    requested: int = 1,
    rules: Sequence[Rule] = (),
    tallies: Tallies = NO_TALLIES,
    outside: bool = False,
) -> Decision:
    """Decide from the user's grants of the feature, his family's, staff's overrides, and what was used.

    `requested` units are asked for; 0 reads the state only. Deny first, then allow or another value, then grants.
    `outside`: the question named a family that the user is not in.
    """
    return Decision(
        **_decided(
            {
                "user_id": user_id,
                "feature_code": code,
                "as_of": at,
                "allowed": False,
                "reason_code": ReasonCode.FEATURE_UNKNOWN,
            },
            feature,
            grants,
            requested,
            rules,
            tallies,
            outside=outside,
        )
    )


def _decided(
    no: Draft,
    feature: Feature | None,
    grants: Sequence[Grant],
    requested: int,
    rules: Sequence[Rule],
    tallies: Tallies,
    *,
    outside: bool,
) -> Draft:
    at: datetime = no["as_of"]
    if feature is None:
        return no
    no = no | {"kind": feature.kind, "changes_at": boundaries.following(feature, grants, rules, at)}
    if feature.archived_at is not None and feature.archived_at <= at:
        return no | {"reason_code": ReasonCode.FEATURE_ARCHIVED}
    if outside:
        return no | {"reason_code": ReasonCode.NOT_FAMILY_MEMBER}
    said = in_force(rules, at)
    rule = said[0] if said else None
    if rule and rule.effect == "deny":
        return no | {"reason_code": ReasonCode.OVERRIDE_DENY, "source": said_by(rule), "expires_at": rule.ends_at}
    open_ = [grant for grant in grants if barred(grant, at) is None]
    if not open_ and rule is None:
        return _refused(no, overlap.telling(grants, at)) if grants else _never(no)
    dated = _dated(no, overlap.lasting(open_, at)) if open_ else no | {"expires_at": rule.ends_at if rule else None}
    return _given(dated, feature, open_, rule, requested, tallies)


def _never(no: Draft) -> Draft:
    return no | {"reason_code": ReasonCode.NO_ENTITLEMENT}


def _refused(no: Draft, grant: Grant) -> Draft:
    reason = barred(grant, no["as_of"]) or ReasonCode.NO_ENTITLEMENT
    return _dated(no, grant) | {"reason_code": reason, "source": origin_of(grant), "in_grace": False}


def _given(
    dated: Draft, feature: Feature, grants: Sequence[Grant], rule: Rule | None, requested: int, tallies: Tallies
) -> Draft:
    if feature.kind == Feature.Kind.METERED:
        reading = meters.read(dated["user_id"], feature, grants, rule, at=dated["as_of"], tallies=tallies)
        return _metered(dated, reading, rule, requested)
    value: Any = None
    if feature.kind == Feature.Kind.STATIC and grants:
        winner, value = overlap.merged(grants, feature.merge, user_id=dated["user_id"], choices=feature.choices)
    elif grants:
        winner = overlap.lasting(grants, dated["as_of"])
    if rule is not None:
        value = rule.value if rule.effect == "value" else value
        return dated | {
            "allowed": True,
            "reason_code": ReasonCode.OVERRIDE_ALLOW,
            "value": value,
            "source": said_by(rule),
            "in_grace": False,
        }
    reason = _special(dated, winner) or ReasonCode.GRANTED
    return _by(dated, winner) | {"allowed": True, "reason_code": reason, "value": value}


def _metered(dated: Draft, reading: Reading, rule: Rule | None, requested: int) -> Draft:
    winner = reading.next.grant if reading.next else None
    fits = reading.left is None or requested <= reading.left
    let_through = reading.soft or (rule is not None and rule.effect == "allow")
    if fits or let_through:
        reason = _allowing(dated, reading, winner, rule, fits=fits)
    elif reading.left_of_all is None or requested <= reading.left_of_all:
        reason = ReasonCode.MEMBER_CAP_REACHED
    else:
        reason = ReasonCode.LIMIT_REACHED
    decided = rule if winner is None or reason == ReasonCode.OVERRIDE_ALLOW else None
    by = _by(dated, winner) if winner and not decided else dated | {"source": said_by(decided) if decided else None}
    return by | {
        "allowed": fits or let_through,
        "reason_code": reason,
        "limit": reading.limit,
        "unlimited": reading.limit is None,
        "used": reading.used,
        "reserved": reading.reserved,
        "remaining": reading.left,
        "overage": reading.overage,
        "warning": reading.warning,
        "period": reading.next.period if reading.next else None,
    }


def _allowing(dated: Draft, reading: Reading, winner: Grant | None, rule: Rule | None, *, fits: bool) -> ReasonCode:
    if rule is not None and (winner is None or not fits or reading.next is None or reading.next.grant is None):
        return ReasonCode.OVERRIDE_ALLOW
    if not fits:
        return ReasonCode.SOFT_LIMIT_EXCEEDED
    plain = ReasonCode.UNLIMITED if reading.limit is None else ReasonCode.WITHIN_LIMIT
    return (_special(dated, winner) if winner else None) or plain


def _special(dated: Draft, winner: Grant) -> ReasonCode | None:
    """Name what the user should know: what he paid for is over, or he has not paid yet."""
    if dated.get("in_grace"):
        return ReasonCode.IN_GRACE
    return ReasonCode.TRIAL if winner.source_type == "trial" else None


def _dated(decision: Draft, grant: Grant) -> Draft:
    return decision | {
        "in_grace": in_grace(grant, decision["as_of"]),
        "grace_until": grant.grace_until,
        "expires_at": grant.ends_at,
    }


def _by(decision: Draft, grant: Grant) -> Draft:
    shared = grant.family_id is not None and grant.user_id != decision["user_id"]
    return decision | {"source": origin_of(grant), "family_id": str(grant.family_id) if shared else None}


def origin_of(grant: Grant) -> Origin:
    """Name a grant as what decided."""
    return Origin(grant.source_type, grant.source_id, grant.plan_id, grant.version)


def said_by(rule: Rule) -> Origin:
    """Name an override as what decided."""
    return Origin("override", str(rule.id), None, None)
