"""The moving window of `limits`, that takes and tells what is left in one round trip."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from limits import RateLimitItem
from limits.errors import StorageError
from limits.storage import RedisStorage
from limits.strategies import MovingWindowRateLimiter

# The two scripts of `limits`, word for word, each with arguments of its own.
BOTH = f"""
local function acquire(ARGV)
{RedisStorage.SCRIPT_ACQUIRE_MOVING_WINDOW.decode()}
end
local function window(ARGV)
{RedisStorage.SCRIPT_MOVING_WINDOW.decode()}
end
local acquired = acquire({{ARGV[1], ARGV[2], ARGV[3], ARGV[4]}})
local found = window({{ARGV[5], ARGV[2]}}) or {{ARGV[1], 0}}
return {{acquired and 1 or 0, found[1], found[2]}}
""".encode()


class Taken(NamedTuple):
    """Whether it was given, how much is left, and when the first that counts is forgotten (seconds since 1970)."""

    allowed: bool
    reset: float
    remaining: int


class Window(MovingWindowRateLimiter):
    """Takes, and then looks."""

    def take(self, item: RateLimitItem, *identifiers: str, cost: int = 1) -> Taken:
        """Take so many, all or none. Raises StorageError."""
        allowed = self.hit(item, *identifiers, cost=cost)
        reset, remaining = self.get_window_stats(item, *identifiers)
        return Taken(allowed, reset, remaining)


class OneTrip(Window):
    """Does both at once, where the counting is in Valkey."""

    def __init__(self, storage: RedisStorage):
        super().__init__(storage)
        self._at, self._both = storage, storage.get_connection().register_script(BOTH)

    def take(self, item: RateLimitItem, *identifiers: str, cost: int = 1) -> Taken:
        """Take so many, all or none. Raises StorageError."""
        now, expiry = time.time(), item.get_expiry()
        key = self._at.prefixed_key(item.key_for(*identifiers))
        try:
            allowed, oldest, count = self._asked(key, [now, item.amount, expiry, cost, now - expiry])
        except self._at.base_exceptions as reason:
            raise StorageError(reason) from reason
        return Taken(bool(allowed), float(oldest) + expiry, item.amount - count)

    def _asked(self, key: str, arguments: list[Any]) -> tuple[int, bytes, int]:
        allowed, oldest, count = self._both([key], arguments)
        return allowed, oldest, count
