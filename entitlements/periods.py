"""The period that a limit counts in: worked out from its anchor and a moment, never by a job."""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import datetime, timedelta

from entitlements.spans import FAR

DAYS = {"day": 1, "week": 7}
MONTHS = {"month": 1, "quarter": 3, "year": 12}


@dataclass(frozen=True, slots=True)
class Window:
    """One period, `[start, end)`."""

    name: str
    start: datetime
    end: datetime


def window(period: str, *, anchor: datetime, at: datetime) -> Window | None:
    """Return the period that holds `at`, counted from `anchor`; None for a limit that never starts anew.

    A month ends on the anchor's day, or on the last day of a shorter month, always counted from the anchor itself: 31
    January, 28 February, 31 March.
    """
    if period in DAYS:
        length = timedelta(days=DAYS[period])
        start = anchor + (at - anchor) // length * length
        return Window(period, start, start + length if start <= FAR - length else FAR)
    if period not in MONTHS:
        return None
    step = MONTHS[period]
    count = ((at.year - anchor.year) * 12 + at.month - anchor.month) // step
    if _months_after(anchor, count * step) > at:
        count -= 1
    return Window(period, _months_after(anchor, count * step), _months_after(anchor, (count + 1) * step))


def _months_after(anchor: datetime, months: int) -> datetime:
    years, month = divmod(anchor.month - 1 + months, 12)
    year = anchor.year + years
    if year > FAR.year:
        return FAR
    day = min(anchor.day, calendar.monthrange(year, month + 1)[1])
    return anchor.replace(year=year, month=month + 1, day=day)
