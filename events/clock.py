"""The time by the database's clock: every process agrees on it, whatever its own machine believes."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from django.db import connection

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# For so long after the database was asked its clock is reckoned without asking again, and only from a quick answer.
RECKONED_SECONDS, QUICK_SECONDS = 5.0, 0.005

# When the database's clock was seen: this process's own (monotonic), and what the other said, in microseconds.
_seen: tuple[float, int] = (float("-inf"), 0)


def now() -> datetime:
    """Return the database's wall clock now, in UTC (not the start of the transaction)."""
    global _seen
    asked = time.monotonic()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (said,) = cursor.fetchone()
    answered = time.monotonic()
    if answered - asked < QUICK_SECONDS:
        _seen = answered, micros(said)
    return said  # type: ignore[no-any-return]


def reckoned() -> int | None:
    """Return the same in microseconds since 1970 without asking; None when it was not asked a moment ago.

    It is late by as long as the answer was under way, QUICK_SECONDS at most.
    """
    at, moment = _seen
    passed = time.monotonic() - at
    return moment + int(passed * 1_000_000) if passed < RECKONED_SECONDS else None


def micros(moment: datetime) -> int:
    """Return a moment as microseconds since 1970."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def moment(microseconds: int) -> datetime:
    """Return the moment that these microseconds since 1970 name."""
    return EPOCH + timedelta(microseconds=microseconds)
