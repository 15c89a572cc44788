"""The time by the database's clock: every process agrees on it, whatever its own machine believes."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from django.db import connection

# For so long the process's own clock goes on from what the database's said: they drift apart by microseconds.
TRUSTED_SECONDS = 1.0
_heard: tuple[datetime, float] | None = None
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# The same: a moment in microseconds since 1970, and when the question was asked.
_counted: tuple[int, float] = 0, -TRUSTED_SECONDS


def now() -> datetime:
    """Return the database's wall clock now, in UTC (not the start of the transaction)."""
    asked = time.monotonic()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (moment,) = cursor.fetchone()
    learn(moment, asked)
    return moment  # type: ignore[no-any-return]


def learn(moment: datetime, asked: float) -> None:
    """Remember what the database's clock said to a question of then (`time.monotonic()`).

    From then, and not from the answer: what is worked out may be ahead by the way there, and is never behind a moment
    that was written down before.
    """
    global _heard, _counted
    _heard, _counted = (moment, asked), (microseconds(moment), asked)


def near() -> datetime:
    """Return the database's wall clock, worked out from what it said within the last second, or asked for anew."""
    return peek() or now()


def peek() -> datetime | None:
    """Return the same without ever asking; None when it said nothing for a second."""
    if _heard is None:
        return None
    moment, asked = _heard
    gone = time.monotonic() - asked
    return moment + timedelta(seconds=gone) if gone < TRUSTED_SECONDS else None


def ticks(now: float) -> int | None:
    """Return the same at `now` (`time.monotonic()`) in microseconds since 1970."""
    moment, asked = _counted
    gone = now - asked
    return moment + int(gone * 1_000_000) if gone < TRUSTED_SECONDS else None


def microseconds(moment: datetime) -> int:
    """Count a moment from 1970 on."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def moment(counted: int) -> datetime:
    """Return the moment that was counted so."""
    return EPOCH + timedelta(microseconds=counted)
