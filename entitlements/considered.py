"""Every override and grant that a decision looked at, in their order, and why each did not decide."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from entitlements import meters, overlap, pools
from entitlements.decisions import Decision, Origin, origin_of, said_by
from entitlements.pools import Tallies
from entitlements.reasons import ReasonCode
from entitlements.rules import Rule, in_force
from entitlements.spans import FAR, Grant, barred
from pricing.models import Feature


class Outcome(StrEnum):
    """What became of one that was looked at."""

    DECIDED = "decided"
    COUNTED = "counted"
    LOST = "lost"


class Lost(StrEnum):
    """Why it did not decide, beside the reasons for which a grant gives no access. `docs/entitlements.md` explains."""

    REMOVED = "removed"
    SUPERSEDED = "superseded"
    OVERRULED = "overruled"
    SHORTER = "shorter"
    WEAKER = "weaker"
    SMALLER_LIMIT = "smaller_limit"
    USED_UP = "used_up"
    NOT_REACHED = "not_reached"


# The words of why a grant gives no access, and those above.
BARRED = [ReasonCode.NOT_STARTED, ReasonCode.EXPIRED, ReasonCode.CANCELED, ReasonCode.REVOKED]
WORDS = [*BARRED, *(code for code in ReasonCode if code.startswith("suspended_")), *Lost]
# Answered before any grant is looked at.
EARLY = {ReasonCode.FEATURE_UNKNOWN, ReasonCode.FEATURE_ARCHIVED, ReasonCode.NOT_FAMILY_MEMBER}
BY_OVERRIDE = {ReasonCode.OVERRIDE_ALLOW, ReasonCode.OVERRIDE_DENY}


@dataclass(frozen=True, slots=True)
class Considered:
    """One override (`effect` says which) or grant. `reason` is null where nothing speaks against it."""

    id: UUID
    source: Origin
    outcome: Outcome
    reason: ReasonCode | Lost | None
    starts_at: datetime
    ends_at: datetime | None
    effect: str | None = None


def of(
    feature: Feature | None, grants: Sequence[Grant], rules: Sequence[Rule], tallies: Tallies, decision: Decision
) -> list[Considered]:
    """Return all that was looked at: overrides in force, others, grants that give access, others."""
    if feature is None or decision.reason_code in EARLY:
        return [
            *(_rule(rule, Outcome.LOST, Lost.NOT_REACHED) for rule in sorted(rules, key=_newest)),
            *(_grant(grant, Outcome.LOST, Lost.NOT_REACHED) for grant in sorted(grants, key=_by_id)),
        ]
    at = decision.as_of
    said = in_force(rules, at)
    return [
        *_rules(rules, said, decision),
        *_open(feature, [grant for grant in grants if barred(grant, at) is None], said, tallies, decision),
        *_barred(grants, decision),
    ]


def _rules(rules: Sequence[Rule], said: Sequence[Rule], decision: Decision) -> Iterator[Considered]:
    for place, rule in enumerate(said):
        decided = Outcome.DECIDED if decision.reason_code in BY_OVERRIDE else Outcome.COUNTED
        yield _rule(rule, Outcome.LOST, Lost.SUPERSEDED) if place else _rule(rule, decided, None)
    for rule in sorted((rule for rule in rules if rule not in said), key=_newest):
        yield _rule(rule, Outcome.LOST, _past(rule, decision.as_of))


def _past(rule: Rule, at: datetime) -> ReasonCode | Lost:
    if rule.removed_at is not None and rule.removed_at <= at:
        return Lost.REMOVED
    return ReasonCode.NOT_STARTED if at < rule.starts_at else ReasonCode.EXPIRED


def _open(
    feature: Feature, grants: Sequence[Grant], said: Sequence[Rule], tallies: Tallies, decision: Decision
) -> Iterator[Considered]:
    rule = said[0] if said else None
    won = Outcome.COUNTED if decision.reason_code in BY_OVERRIDE else Outcome.DECIDED
    if rule is not None and not _leaves_grants_a_say(rule, feature):
        yield from (_grant(each, Outcome.LOST, Lost.OVERRULED) for each in sorted(grants, key=_by_id))
    elif feature.kind == Feature.Kind.METERED:
        yield from _metered(feature, grants, rule, tallies, decision, won)
    elif feature.kind == Feature.Kind.STATIC and grants:
        winner, _ = overlap.merged(grants, feature.merge, user_id=decision.user_id, choices=feature.choices)
        other = (Outcome.COUNTED, None) if feature.merge == Feature.Merge.UNION else (Outcome.LOST, Lost.WEAKER)
        for each in sorted(grants, key=lambda each: (each != winner, overlap.rank(each, decision.user_id))):
            yield _grant(each, *((won, None) if each == winner else other))
    else:
        for place, each in enumerate(sorted(grants, key=lambda each: overlap.longest(each, decision.as_of))):
            yield _grant(each, Outcome.LOST, Lost.SHORTER) if place else _grant(each, won, None)


def _leaves_grants_a_say(rule: Rule, feature: Feature) -> bool:
    """A meter counts grants beside an override, and an allowed static feature has their value."""
    if rule.effect == "deny":
        return False
    return feature.kind == Feature.Kind.METERED or (rule.effect == "allow" and feature.kind == Feature.Kind.STATIC)


def _metered(
    feature: Feature,
    grants: Sequence[Grant],
    rule: Rule | None,
    tallies: Tallies,
    decision: Decision,
    won: Outcome,
) -> Iterator[Considered]:
    reading = meters.read(decision.user_id, feature, grants, rule, at=decision.as_of, tallies=tallies)
    paying = set()
    for pool in reading.pools:
        if pool.grant is not None:
            paying.add(pool.grant.id)
            used_up = None if pools.left(pool, tallies) != 0 else Lost.USED_UP
            yield _grant(pool.grant, won if pool is reading.next else Outcome.COUNTED, used_up)
    replaced = rule is not None and rule.effect == "value" and not paying
    for each in sorted((each for each in grants if each.id not in paying), key=_by_id):
        yield _grant(each, Outcome.LOST, Lost.OVERRULED if replaced else Lost.SMALLER_LIMIT)


def _barred(grants: Sequence[Grant], decision: Decision) -> Iterator[Considered]:
    at = decision.as_of
    barred_ = sorted((each for each in grants if barred(each, at)), key=lambda each: overlap.likeliest(each, at))
    for place, each in enumerate(barred_):
        told = place == 0 and decision.reason_code == barred(each, at)
        yield _grant(each, Outcome.DECIDED if told else Outcome.LOST, barred(each, at))


def _rule(rule: Rule, outcome: Outcome, reason: ReasonCode | Lost | None) -> Considered:
    return Considered(rule.id, said_by(rule), outcome, reason, rule.starts_at, rule.ends_at, rule.effect)


def _grant(grant: Grant, outcome: Outcome, reason: ReasonCode | Lost | None) -> Considered:
    return Considered(grant.id, origin_of(grant), outcome, reason, grant.starts_at, grant.ends_at)


def _newest(rule: Rule) -> tuple[object, str]:
    return FAR - rule.created_at, str(rule.id)


def _by_id(grant: Grant) -> str:
    return str(grant.id)
