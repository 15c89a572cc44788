"""May this user use this feature now? One query, no network, and no job that must have run before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from entitlements import counters, facts, pools
from entitlements.decisions import Decision, decide
from entitlements.errors import NegativeRequest
from entitlements.facts import Facts
from entitlements.meters import NO_TALLIES
from entitlements.pools import Key, Tallies
from entitlements.spans import barred
from pricing.models import Feature

Counting = Callable[[Sequence[Key]], Tallies]
Catalog = Callable[[int], Mapping[str, Feature]]


@dataclass(frozen=True, slots=True)
class Question:
    """May the user of whom this is known use so many units of the feature?

    With a `family_id` he asks as its member: what he has without a family counts too.
    """

    known: Facts
    feature_code: str
    requested: int = 1
    family_id: UUID | None = None


def check(user_id: str, feature_code: str, *, at: datetime, requested: int = 1, known: Facts | None = None) -> Decision:
    """Decide whether the user may use `requested` units of the feature at `at` (EN-03).

    `known` is what is known of him, read when left out; the counters of a metered feature are always read. A moment in
    the future is answered from what is known now. A feature that does not exist is a decision too. Raises
    NegativeRequest.
    """
    if requested < 0:
        raise NegativeRequest(requested)
    return answers([Question(known or facts.read(user_id), feature_code, requested)], at=at)[0]


def effective(user_id: str, *, at: datetime, known: Facts | None = None) -> list[Decision]:
    """Decide for each feature that the user was ever granted, by feature code: what he has at `at` in one answer."""
    known = known or facts.read(user_id)
    return answers(everything(known), at=at)


def every_feature(known: Facts) -> list[Question]:
    """Ask of each feature there is, granted or not, by its code."""
    return [Question(known, code) for code in sorted(facts.features(known.catalog))]


def everything(known: Facts) -> list[Question]:
    """Ask of each feature that the user was ever granted, by feature code."""
    return [Question(known, code) for code in sorted(known.grants.keys() | known.rules.keys())]


def answers(
    questions: Sequence[Question],
    *,
    at: datetime,
    counting: Counting | None = None,
    catalog: Catalog = facts.features,
) -> list[Decision]:
    """Decide each, in their order; the counters of all are read at once, and only when any is metered."""
    wanted = dict.fromkeys(key for question in questions for key in keys(question, at, catalog))
    tallies = (counting or counters.counting(at=at))(list(wanted)) if wanted else NO_TALLIES
    return [answer(question, tallies, at, catalog) for question in questions]


def keys(question: Question, at: datetime, catalog: Catalog = facts.features) -> Sequence[Key]:
    """Return the counters that the answer depends on: none but for a metered feature."""
    known, feature = question.known, catalog(question.known.catalog).get(question.feature_code)
    if feature is None or feature.kind != Feature.Kind.METERED:
        return []
    open_ = [grant for grant in known.grants.get(feature.code, ()) if barred(grant, at) is None]
    found = pools.of(known.user_id, feature, open_, at)
    if not known.rules.get(feature.code):
        return pools.keys(found)
    return list(dict.fromkeys([*pools.keys(found), pools.key_of_rules(found, known.user_id, feature)]))


def answer(question: Question, tallies: Tallies, at: datetime, catalog: Catalog = facts.features) -> Decision:
    """Decide one, its counters read."""
    known, code = question.known, question.feature_code
    return decide(
        known.user_id,
        code,
        catalog(known.catalog).get(code),
        known.grants.get(code, ()),
        at=at,
        requested=question.requested,
        rules=known.rules.get(code, ()),
        tallies=tallies,
        outside=question.family_id is not None and question.family_id != known.family_id,
    )
