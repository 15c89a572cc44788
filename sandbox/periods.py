"""Where billing periods end: always counted from the original anchor, so a month end never drifts."""

import calendar
from datetime import UTC, datetime, timedelta

from sandbox.store import Obj

DAYS = {"day": 1, "week": 7}
MONTHS = {"month": 1, "year": 12}


def boundary(anchor: int, recurring: Obj, number: int) -> int:
    """Give the moment that lies `number` periods after the anchor; day 31 becomes the last day of a shorter month."""
    interval, count = recurring["interval"], int(recurring.get("interval_count") or 1)
    start = datetime.fromtimestamp(anchor, UTC)
    if interval in DAYS:
        return int((start + timedelta(days=DAYS[interval] * count * number)).timestamp())
    month = start.year * 12 + start.month - 1 + MONTHS[interval] * count * number
    year, month = month // 12, month % 12 + 1
    day = min(start.day, calendar.monthrange(year, month)[1])
    return int(start.replace(year=year, month=month, day=day).timestamp())


def containing(anchor: int, recurring: Obj, moment: int) -> tuple[int, int]:
    """Give the period `[start, end)` that a moment lies in, also one before the anchor."""
    length = boundary(anchor, recurring, 1) - anchor
    number = (moment - anchor) // length
    while boundary(anchor, recurring, number) > moment:
        number -= 1
    while boundary(anchor, recurring, number + 1) <= moment:
        number += 1
    return boundary(anchor, recurring, number), boundary(anchor, recurring, number + 1)


def next_day_of_month(moment: int, config: Obj) -> int:
    """Give the first moment after this one that fits `billing_cycle_anchor_config`."""
    now = datetime.fromtimestamp(moment, UTC)
    clock = {key: config.get(key) for key in ("hour", "minute", "second")}
    timed = now.replace(microsecond=0, **{key: value for key, value in clock.items() if value is not None})
    for ahead in range(14):
        month = timed.year * 12 + timed.month - 1 + ahead
        year, number = month // 12, month % 12 + 1
        day = min(int(config["day_of_month"]), calendar.monthrange(year, number)[1])
        found = timed.replace(year=year, month=number, day=day)
        if found > now and config.get("month") in (None, number):
            return int(found.timestamp())
    raise ValueError(f"no moment fits {config}")
