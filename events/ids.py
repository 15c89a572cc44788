"""Identifiers that sort by the time they were made."""

from __future__ import annotations

import secrets
import threading
import time
from uuid import UUID

_lock = threading.Lock()
_last = 0


def uuid7() -> UUID:
    """Make a UUID of version 7: 48 bits of unix milliseconds, then random bits (RFC 9562, 5.7).

    Keys in order of time keep inserts at one end of the index, and let a list page by its id. Those of one process
    always rise, also within a millisecond (RFC 9562, 6.2, method 2).
    """
    global _last
    value = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    with _lock:
        _last = max(value, _last + 1)
        return UUID(int=_last)
