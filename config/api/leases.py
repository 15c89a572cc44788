"""A handful of a quota, taken at once and given out here: who asks often costs no round trip for each request.

What was taken counts as spent from that moment, used or not, so all processes together never pass the quota. It must
be used within LIFE_SECONDS, by which the quota's own window is longer.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
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


class Lease:
    """What one name holds of one policy's quota in this process."""

    def __init__(self, policy: str, who: str, take: Take):
        self._policy, self._who, self._take = policy, who, take
        self._lock = threading.Lock()
        self._taken, self._left, self._ends_at = Spent(policy, 0, False, 0, 0), 0, 0.0
        self._remaining, self._words = 0, ""
        # Given out in this second and in the one before.
        self._size, self._second, self._now, self._before = 0, 0, 0, 0

    def spend(self) -> Spent:
        """Give out one of what is held, or take more. What it tells is a second old at most."""
        with self._lock:
            if not self._gives(time.monotonic()):
                return self._taken
            policy, quota, allowed, remaining, reset = self._taken
            return Spent(policy, quota, allowed, remaining + self._left, reset)

    def told(self, now: float) -> str | None:
        """Do the same at `now` (`time.monotonic()`), and say it as RateLimit does; None when there is none left."""
        with self._lock:
            if not self._gives(now):
                return None
            return self._words % (self._remaining + self._left)

    def _gives(self, now: float) -> bool:
        if not self._left or now >= self._ends_at:
            self._more(now)
        if not self._left:
            return False
        self._left -= 1
        return True

    def _more(self, now: float) -> None:
        self._note(int(now))
        # Half of what the last second asked for, or a quarter of what this one has: who asks now and then has taken no
        # more than he uses, and who begins to ask a lot need not wait for the next second.
        largest = min(LARGEST, max(self._taken.quota // LARGEST_SHARE, 1))
        size = max(1, min(max(self._before // 2, self._now // 4), largest))
        taken = self._take(self._policy, self._who, size)
        if not taken.allowed and size > 1:
            size, taken = 1, self._take(self._policy, self._who, 1)
        self._taken, self._ends_at = taken, now + LIFE_SECONDS
        self._remaining, self._words = taken.remaining, told(taken.policy, "%d", taken.reset)
        self._left = self._size = size if taken.allowed else 0

    def _note(self, second: int) -> None:
        if second != self._second:
            self._before = self._now if second == self._second + 1 else 0
            self._second, self._now = second, 0
        self._now += self._size - self._left


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
