"""A handful of a quota, taken at once and given out here: who asks often costs no round trip for each request.

What was taken counts as spent from that moment, used or not, so all processes together never pass the quota. It must
be used within LIFE_SECONDS, by which the quota's own window is longer.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from operator import length_hint
from typing import NamedTuple

LIFE_SECONDS = 1
# Of the quota, so that one process cannot starve the others; and of one call to Valkey.
LARGEST_SHARE, LARGEST = 10, 1000
REMEMBERED = 20_000


class Spent(NamedTuple):
    """What one request left of a policy: `remaining` of `quota`; the first is forgotten in `reset` seconds."""

    policy: str
    quota: int
    allowed: bool
    remaining: int
    reset: int


def told(policy: str, remaining: int | str, reset: int) -> str:
    """Say what is left of a quota, as RateLimit does (draft-ietf-httpapi-ratelimit-headers-10)."""
    return f'"{policy}";r={remaining};t={reset}'


# Takes so many of the quota of a policy and a name, or refuses them all.
Take = Callable[[str, str, int], Spent]


class Hand(NamedTuple):
    """What was taken at once: what is left of the quota after each of it, until when it may be used, and as words.

    It is taken from without a lock: no two threads get the same from an iterator of numbers.
    """

    left: Iterator[int]
    ends_at: float
    before: str
    after: str


def hand_of(taken: Spent, size: int, ends_at: float) -> Hand:
    """Make so many of what was taken ready to be given out."""
    before, after = told(taken.policy, "|", taken.reset).split("|")
    left = range(taken.remaining + size - 1, taken.remaining - 1, -1) if taken.allowed else range(0)
    return Hand(iter(left), ends_at, before, after)


class Lease:
    """What one name holds of one policy's quota in this process."""

    def __init__(self, policy: str, who: str, take: Take):
        self._policy, self._who, self._take = policy, who, take
        self._lock = threading.Lock()
        self._taken = Spent(policy, 0, False, 0, 0)
        self._hand, self._size = hand_of(self._taken, 0, 0.0), 0
        # Given out in this second and in the one before.
        self._second, self._now, self._before = 0, 0, 0

    def spend(self) -> Spent:
        """Give out one of what is held, or take more. What it tells is a second old at most."""
        left, _, taken = self._given(time.monotonic())
        return taken if left is None else Spent(taken.policy, taken.quota, True, left, taken.reset)

    def told(self, now: float) -> str | None:
        """Do the same at `now` (`time.monotonic()`), and say it as RateLimit does; None when there is none left."""
        given, ends_at, before, after = self._hand
        if now >= ends_at or (left := next(given, None)) is None:
            left, (_, _, before, after), _ = self._given(now)
            if left is None:
                return None
        return f"{before}{left}{after}"

    def _given(self, now: float) -> tuple[int | None, Hand, Spent]:
        with self._lock:
            hand = self._hand
            left = next(hand.left, None) if now < hand.ends_at else None
            if left is None:
                self._more(now)
                hand = self._hand
                left = next(hand.left, None)
            return left, hand, self._taken

    def _more(self, now: float) -> None:
        self._note(int(now))
        # Half of what the last second asked for, or a quarter of what this one has: who asks now and then has taken no
        # more than he uses, and who begins to ask a lot need not wait for the next second.
        largest = min(LARGEST, max(self._taken.quota // LARGEST_SHARE, 1))
        size = max(1, min(max(self._before // 2, self._now // 4), largest))
        taken = self._take(self._policy, self._who, size)
        if not taken.allowed and size > 1:
            size, taken = 1, self._take(self._policy, self._who, 1)
        self._taken, self._size = taken, size if taken.allowed else 0
        self._hand = hand_of(taken, self._size, now + LIFE_SECONDS)

    def _note(self, second: int) -> None:
        if second != self._second:
            self._before = self._now if second == self._second + 1 else 0
            self._second, self._now = second, 0
        self._now += self._size - length_hint(self._hand.left)


class Leases:
    """Every lease of this process; the oldest makes room."""

    def __init__(self, take: Take):
        self._take = take
        self._held: dict[tuple[str, str], Lease] = {}
        self._lock = threading.Lock()

    def of(self, policy: str, who: str) -> Lease:
        """Return the lease of a name."""
        held = self._held.get((policy, who))
        if held is not None:
            return held
        with self._lock:
            while len(self._held) >= REMEMBERED:
                del self._held[next(iter(self._held))]
            return self._held.setdefault((policy, who), Lease(policy, who, self._take))
