"""From where a question is answered: from what is known now, or from what was known at the moment that it names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from entitlements import access, counters, facts, recall, receipts, snapshot
from entitlements.access import Catalog, Counting, Question
from entitlements.decisions import Decision
from entitlements.facts import Facts
from events import clock


@dataclass(frozen=True, slots=True)
class Standpoint:
    """What is known of some users for `at`. `asked_at` is set when the question named the moment."""

    at: datetime
    asked_at: datetime | None
    known: Mapping[str, Facts]
    counting: Counting
    catalog: Catalog

    @property
    def is_past(self) -> bool:
        """Whether nothing can change the answer any more."""
        return self.asked_at is not None and self.at < self.asked_at

    def answers(self, questions: Sequence[Question]) -> list[Decision]:
        """Decide each, in their order."""
        found = access.answers(questions, at=self.at, counting=self.counting, catalog=self.catalog)
        return [self.stamped(each) for each in found]

    def stamped(self, decision: Decision) -> Decision:
        """Say when it was asked, if the question named a moment."""
        return decision if self.asked_at is None else replace(decision, asked_at=self.asked_at)


def of(user_ids: Sequence[str], *, at: datetime | None) -> Standpoint:
    """Take the standpoint of `at`, or of now: a few queries, however many the users.

    What is past is answered from what was known then, so that the same question always gets the same answer; what is
    to come from what is known now.
    """
    if at is None:
        # What is kept near is read before the clock: an answer never names a moment before its facts.
        known = snapshot.current_many(user_ids)
        at = clock.near()
        return Standpoint(at, None, known, counters.counting(at=at), facts.features)
    now = clock.now()
    if at < now:
        known = recall.read_many(user_ids, at=at)
        return Standpoint(at, now, known, receipts.counting(at=at), recall.catalog(at=at))
    return Standpoint(at, now, facts.read_many(user_ids), counters.counting(at=at), facts.features)
