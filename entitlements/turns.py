"""The smallest changes that may turn a no: what each would make of the question, worked out without a database."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from entitlements import boundaries
from entitlements.access import Question
from entitlements.decisions import Decision
from entitlements.facts import Facts
from entitlements.pools import TICK
from entitlements.reasons import ReasonCode
from entitlements.rules import Rule, in_force
from entitlements.spans import Grant, barred
from pricing.models import Feature

# So many dates ahead are looked at: a year of months, and the ends of what was granted.
DATES = 24
# The override that is not made yet.
NEW = UUID(int=0)


class Turn(StrEnum):
    """What to change. `docs/entitlements.md` explains each."""

    FEWER_UNITS = "fewer_units"
    WAIT = "wait"
    START = "start"
    EXTEND = "extend"
    RESUME = "resume"
    REMOVE_OVERRIDES = "remove_overrides"
    SET_LIMIT = "set_limit"
    LEAVE_OUT_FAMILY = "leave_out_family"
    PLAN = "plan"


@dataclass(frozen=True, slots=True)
class Offer:
    """A plan for sale that has the feature. The price is the list price of zone A, in minor units."""

    plan_id: str
    version: int
    amount_minor: int
    currency: str
    billing_cycle: str


@dataclass(frozen=True, slots=True)
class Change:
    """One change: of which grants or overrides (`ids`), to how many units, or to which moment.

    `grant` is what somebody who takes the `offer` is granted.
    """

    turn: Turn
    ids: tuple[UUID, ...] = ()
    units: int | None = None
    at: datetime | None = None
    offer: Offer | None = None
    grant: Grant | None = None


def apply(change: Change, question: Question, at: datetime) -> tuple[Question, datetime]:
    """Return the question as it would be asked, and the moment, if the change had been made."""
    known, code = question.known, question.feature_code
    match change.turn:
        case Turn.FEWER_UNITS:
            return replace(question, requested=change.units or 0), at
        case Turn.WAIT:
            return question, change.at or at
        case Turn.LEAVE_OUT_FAMILY:
            return replace(question, family_id=None), at
        case Turn.START:
            known = _with_grants(known, code, change, starts_at=change.at)
        case Turn.EXTEND:
            known = _with_grants(known, code, change, ends_at=change.at, grace_until=None)
        case Turn.RESUME:
            known = _with_grants(known, code, change, status="active", reason="")
        case Turn.REMOVE_OVERRIDES:
            left = tuple(rule for rule in known.rules.get(code, ()) if rule.id not in change.ids)
            known = replace(known, rules={**known.rules, code: left})
        case Turn.SET_LIMIT:
            said = Rule(NEW, "value", None, change.units, "set", at, None, at, None)
            known = replace(known, rules={**known.rules, code: (*known.rules.get(code, ()), said)})
        case Turn.PLAN if change.grant is not None:
            known = replace(known, grants={**known.grants, code: (*known.grants.get(code, ()), change.grant)})
    return replace(question, known=known), at


def _with_grants(known: Facts, code: str, change: Change, **said: object) -> Facts:
    grants = (
        replace(each, **said) if each.id in change.ids else each  # type: ignore[arg-type]
        for each in known.grants.get(code, ())
    )
    return replace(known, grants={**known.grants, code: tuple(grants)})


def thinkable(
    question: Question, feature: Feature, decision: Decision, holds_end: Sequence[datetime] = ()
) -> Iterator[Change]:
    """Yield what may turn the answer, the smallest first; whether it does is seen by asking again.

    `holds_end` is when units come back that are held now.
    """
    known, at = question.known, decision.as_of
    grants, rules = known.grants.get(feature.code, ()), known.rules.get(feature.code, ())
    if decision.remaining:
        yield Change(Turn.FEWER_UNITS, units=decision.remaining)
    if decision.reason_code == ReasonCode.NOT_FAMILY_MEMBER:
        yield Change(Turn.LEAVE_OUT_FAMILY)
    for date in sorted({*_dates(feature, grants, rules, at), *holds_end}):
        yield Change(Turn.WAIT, at=date)
    for grant in grants:
        yield from _of_grant(grant, at)
    if denying := tuple(rule.id for rule in in_force(rules, at) if rule.effect == "deny"):
        yield Change(Turn.REMOVE_OVERRIDES, ids=denying)
    if decision.reason_code in (ReasonCode.LIMIT_REACHED, ReasonCode.MEMBER_CAP_REACHED):
        yield Change(Turn.SET_LIMIT, units=needed(decision, question))


def needed(decision: Decision, question: Question) -> int:
    """Return the limit that would do."""
    return decision.used + decision.reserved + question.requested


def _dates(feature: Feature, grants: Sequence[Grant], rules: Sequence[Rule], at: datetime) -> Iterator[datetime]:
    for _ in range(DATES):
        date = boundaries.following(feature, grants, rules, at)
        if date is None:
            return
        yield date
        at = date


def _of_grant(grant: Grant, at: datetime) -> Iterator[Change]:
    reason = barred(grant, at)
    if reason == ReasonCode.NOT_STARTED:
        yield Change(Turn.START, ids=(grant.id,), at=at)
    if reason in (ReasonCode.EXPIRED, ReasonCode.CANCELED):
        yield Change(Turn.EXTEND, ids=(grant.id,), at=at + TICK)
    if reason is not None and reason.startswith("suspended_"):
        yield Change(Turn.RESUME, ids=(grant.id,))
