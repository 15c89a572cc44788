"""A count over a moving window in Valkey that is taken from and told in one round trip; `limits` itself needs two."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from limits import RateLimitItem
from limits.errors import StorageError
from limits.storage import RedisStorage
from limits.strategies import MovingWindowRateLimiter

# Both scripts are the storage's own, each with what it would be called with.
TAKE = f"""
local function take(KEYS, ARGV)
{RedisStorage.SCRIPT_ACQUIRE_MOVING_WINDOW.decode()}
end
local function look(KEYS, ARGV)
{RedisStorage.SCRIPT_MOVING_WINDOW.decode()}
end
local taken = take(KEYS, {{ARGV[1], ARGV[2], ARGV[3], ARGV[4]}})
local found = look(KEYS, {{ARGV[5], ARGV[2]}})
return {{taken and 1 or 0, found and found[1] or ARGV[1], found and found[2] or 0}}
"""


class Taken(NamedTuple):
    """Whether it could be taken, when the first that was taken is forgotten (seconds since 1970), and what is left."""

    allowed: bool
    reset: float
    remaining: int


class Windows(MovingWindowRateLimiter):
    """Those of one Valkey."""

    def __init__(self, storage: RedisStorage):
        super().__init__(storage)
        self._prefixed, self._errors = storage.prefixed_key, storage.base_exceptions
        self._script: Any = storage.get_connection().register_script(TAKE.encode())

    def take(self, item: RateLimitItem, *who: str, cost: int) -> Taken:
        """Take so many, all or none, and tell what is left. Raises StorageError."""
        now, seconds = time.time(), item.get_expiry()
        try:
            allowed, oldest, count = self._script(
                [self._prefixed(item.key_for(*who))], [now, item.amount, seconds, cost, now - seconds]
            )
        except self._errors as reason:
            raise StorageError(reason) from reason
        return Taken(bool(allowed), float(oldest) + seconds, item.amount - count)


def take(limiter: MovingWindowRateLimiter, item: RateLimitItem, *who: str, cost: int) -> Taken:
    """Do the same wherever it is counted."""
    if isinstance(limiter, Windows):
        return limiter.take(item, *who, cost=cost)
    allowed = limiter.hit(item, *who, cost=cost)
    return Taken(allowed, *limiter.get_window_stats(item, *who))
