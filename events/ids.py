"""Identifiers that sort by the time they were made."""

from __future__ import annotations

import secrets
import threading
import time
from uuid import UUID

_lock = threading.Lock()
_last = 0
RANDOM_BYTES = 10
# The version and the variant.
FIXED = 0x7 << 76 | 0x2 << 62
VARIABLE = ~(0xF << 76 | 0x3 << 62)


def uuid7() -> UUID:
    """Make a UUID of version 7: 48 bits of unix milliseconds, then random bits (RFC 9562, 5.7).

    Keys in order of time keep inserts at one end of the index, and let a list page by its id. Those of one process
    always rise, also within a millisecond (RFC 9562, 6.2, method 2).
    """
    return _made(secrets.token_bytes(RANDOM_BYTES))


def uuid7s(count: int) -> list[UUID]:
    """Make so many, in their order: the system is asked for randomness once."""
    random = secrets.token_bytes(RANDOM_BYTES * count)
    return [_made(random[start : start + RANDOM_BYTES]) for start in range(0, len(random), RANDOM_BYTES)]


def _made(random: bytes) -> UUID:
    global _last
    value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(random, "big")
    value = value & VARIABLE | FIXED
    with _lock:
        _last = max(value, _last + 1)
        return UUID(int=_last)
