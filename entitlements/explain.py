"""Why an answer is as it is, and what would turn it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from entitlements import access, considered, counters, offers, turns
from entitlements.access import Question
from entitlements.considered import Considered
from entitlements.decisions import Decision
from entitlements.meters import NO_TALLIES
from entitlements.pools import Tallies
from entitlements.spans import barred
from entitlements.standpoints import Standpoint
from entitlements.turns import Change
from pricing.models import Feature


@dataclass(frozen=True, slots=True)
class Explanation:
    """An answer, everything that was looked at in its order, and the changes of which each alone would turn a no."""

    decision: Decision
    considered: list[Considered]
    would_allow: list[Change]


def answer(question: Question, standpoint: Standpoint) -> Explanation:
    """Answer a question, and tell why. Nothing turns what is past: there `would_allow` is empty."""
    known, code = question.known, question.feature_code
    feature = standpoint.catalog(known.catalog).get(code)
    keys = access.keys(question, standpoint.at, standpoint.catalog)
    tallies = standpoint.counting(keys) if keys else NO_TALLIES
    decision = standpoint.stamped(access.answer(question, tallies, standpoint.at, standpoint.catalog))
    seen = considered.of(feature, known.grants.get(code, ()), known.rules.get(code, ()), tallies, decision)
    if feature is None or decision.allowed or standpoint.is_past:
        return Explanation(decision, seen, [])
    ends = counters.ends_of_holds(keys, at=decision.as_of, most=turns.DATES) if decision.reserved else []
    thought = [*turns.thinkable(question, feature, decision, ends), *_plans(question, feature, decision)]
    return Explanation(decision, seen, list(_smallest(_turning(thought, question, standpoint, ends))))


def _turning(
    thought: Iterable[Change], question: Question, standpoint: Standpoint, ends: Sequence[datetime]
) -> Iterator[Change]:
    """Keep what does turn the answer. The counters of all are read at once, but where what is held ends by then."""
    asked = [(change, *turns.apply(change, question, standpoint.at)) for change in thought]
    keys = {key for _, then, at in asked for key in access.keys(then, at, standpoint.catalog)}
    tallies: Tallies = standpoint.counting(sorted(keys, key=str)) if keys else NO_TALLIES
    for change, then, at in asked:
        late = access.keys(then, at, standpoint.catalog) if ends and at >= ends[0] else ()
        counted = counters.read(late, at=at) if late else tallies
        if access.answer(then, counted, at, standpoint.catalog).allowed:
            yield change


def _smallest(turning: Iterable[Change]) -> Iterator[Change]:
    """Keep the first moment that one can wait for, and the cheapest plan in each currency."""
    seen = set()
    for change in turning:
        kind = (change.turn, change.ids, change.offer.currency if change.offer else "")
        if kind not in seen:
            seen.add(kind)
            yield change


def _plans(question: Question, feature: Feature, decision: Decision) -> Iterator[Change]:
    """Yield plans other than those that give already, whose own limit would do."""
    known, at = question.known, decision.as_of
    mine = {grant.plan_id for grant in known.grants.get(feature.code, ()) if barred(grant, at) is None}
    for change in offers.cheapest_first(known.user_id, feature.code, at=at):
        grant = change.grant
        enough = grant is None or grant.limit is None or grant.soft or grant.limit >= turns.needed(decision, question)
        if enough and grant and grant.plan_id not in mine:
            yield change
