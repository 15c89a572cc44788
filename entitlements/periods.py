"""The period that a limit counts in: worked out from its anchor and a moment, never by a job."""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from entitlements.spans import FAR, Grant

DAYS = {"day": 1, "week": 7}
MONTHS = {"month": 1, "quarter": 3, "year": 12}


@dataclass(frozen=True, slots=True)
class Window:
    """One period, `[start, end)`."""

    name: str
    start: datetime
    end: datetime


# A Monday, so that weeks of the calendar begin with one.
CALENDAR = datetime(2001, 1, 1)  # noqa: DTZ001 (a date on a wall, in whatever zone)


def of(grant: Grant, at: datetime) -> Window | None:
    """Return the period of a grant's limit that holds `at`, by the calendar of its time zone or from its start."""
    if grant.anchor != "calendar":
        return window(grant.period, anchor=grant.starts_at, at=at)
    zone = ZoneInfo(grant.time_zone)
    # Days are counted on the wall, so that one of 23 hours is a day too.
    found = window(grant.period, anchor=CALENDAR, at=at.astimezone(zone).replace(tzinfo=None))
    if found is None:
        return None
    start, end = (each.replace(tzinfo=zone).astimezone(UTC) for each in (found.start, found.end))
    return Window(found.name, start, end)


def window(period: str, *, anchor: datetime, at: datetime) -> Window | None:
    """Return the period that holds `at`, counted from `anchor`; None for a limit that never starts anew.

    A month ends on the anchor's day, or on the last day of a shorter month, always counted from the anchor itself: 31
    January, 28 February, 31 March.
    """
    if period in DAYS:
        length = timedelta(days=DAYS[period])
        start = anchor + (at - anchor) // length * length
        return Window(period, start, start + length if start <= _far(anchor) - length else _far(anchor))
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
        return _far(anchor)
    day = min(anchor.day, calendar.monthrange(year, month + 1)[1])
    return anchor.replace(year=year, month=month + 1, day=day)


def _far(anchor: datetime) -> datetime:
    return FAR.replace(tzinfo=anchor.tzinfo)
