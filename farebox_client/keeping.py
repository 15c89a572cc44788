"""Answers that are still fresh, in this process: at most so many, each for a few seconds."""

from __future__ import annotations

import threading
from time import monotonic

from farebox_client.answers import Decision, moment

# Whatever Farebox says of an answer's freshness, it is not kept longer.
LONGEST_YES, LONGEST_NO = 30.0, 5.0
# Users who share a mark only lose an answer that was on its way when the other was forgotten.
MARKS = 256

Question = tuple[str, int, str | None]


class Kept:
    """By user, and of each by feature, units and family. Reading takes no lock: a dict is read at once."""

    def __init__(self, seconds: float, most: int):
        self._seconds = seconds
        self._most = most
        self._users: dict[str, dict[Question, tuple[float, Decision]]] = {}
        self._count = 0
        self._marks = [0] * MARKS
        self._lock = threading.Lock()

    def find(self, user_id: str, question: Question) -> Decision | None:
        """Return the answer, when there is a fresh one."""
        known = self._users.get(user_id)
        if known is not None:
            found = known.get(question)
            if found is not None and found[0] > monotonic():
                return found[1]
        return None

    def mark(self, user_id: str) -> int:
        """Return what to keep an answer with: one that was asked for before `forget` is not kept after it."""
        return self._marks[hash(user_id) % MARKS]

    def keep(self, user_id: str, question: Question, decision: Decision, *, asked_at: float, mark: int) -> None:
        """Keep an answer that was asked for at `asked_at` (monotonic) until it is no longer fresh."""
        until = asked_at + min(self._seconds, freshness(decision))
        if until <= monotonic():
            return
        with self._lock:
            if mark != self.mark(user_id):
                return
            known = self._users.setdefault(user_id, {})
            self._count += question not in known
            known[question] = (until, decision)
            while self._count > self._most:
                self._drop(next(iter(self._users)))

    def forget(self, user_id: str | None = None) -> None:
        """Forget the answers about a user, or all."""
        with self._lock:
            for number in range(MARKS) if user_id is None else [hash(user_id) % MARKS]:
                self._marks[number] += 1
            for each in list(self._users) if user_id is None else [user_id]:
                self._drop(each)

    def _drop(self, user_id: str) -> None:
        self._count -= len(self._users.pop(user_id, ()))


def freshness(decision: Decision) -> float:
    """Return for how many seconds the answer may be kept: by Farebox's own clock, so that ours need not agree."""
    longest = LONGEST_YES if decision.allowed else LONGEST_NO
    as_of, until = moment(decision.said.get("as_of")), moment(decision.said.get("fresh_until"))
    return longest if as_of is None or until is None else min(longest, (until - as_of).total_seconds())
