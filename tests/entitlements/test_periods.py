"""The period that a limit counts in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entitlements.periods import of, window
from entitlements.spans import Grant
from tests.entitlements.conftest import DAY, T0, TICK, a_grant

MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 (as it asks)


@given(
    period=st.sampled_from(["day", "week", "month", "quarter", "year"]),
    anchor=MOMENTS,
    later=st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=40_000)),
)
def test_every_moment_is_in_exactly_one_period(period: str, anchor: datetime, later: timedelta) -> None:
    at = anchor + later

    found = window(period, anchor=anchor, at=at)

    assert found is not None
    assert found.start <= at < found.end
    assert window(period, anchor=anchor, at=found.end).start == found.end  # type: ignore[union-attr]
    assert window(period, anchor=anchor, at=found.end - TICK) == found


def test_a_month_from_the_31st_ends_on_the_last_day_and_does_not_drift() -> None:
    moments = [T0 + days * DAY for days in (0, 28, 60)]

    ends = [found.end for moment in moments if (found := window("month", anchor=T0, at=moment))]

    assert ends == [datetime(2026, month, day, 12, tzinfo=UTC) for month, day in ((2, 28), (3, 31), (4, 30))]


def test_a_year_from_a_leap_day_ends_on_the_28th_until_the_next_leap_year() -> None:
    anchor = datetime(2024, 2, 29, tzinfo=UTC)

    ends = [
        found.end
        for year in (2024, 2027)
        if (found := window("year", anchor=anchor, at=datetime(year, 3, 1, tzinfo=UTC)))
    ]

    assert ends == [datetime(2025, 2, 28, tzinfo=UTC), datetime(2028, 2, 29, tzinfo=UTC)]


@pytest.mark.parametrize("period", ["never", ""])
def test_what_never_starts_anew_has_no_period(period: str) -> None:
    found = window(period, anchor=T0, at=T0 + DAY)

    assert found is None


@pytest.mark.parametrize("period", ["day", "week", "month", "quarter", "year"])
def test_the_last_period_of_the_calendar_ends_with_it(period: str) -> None:
    at = datetime.max.replace(tzinfo=UTC) - TICK

    found = window(period, anchor=T0, at=at)

    assert found is not None
    assert found.start <= at < found.end


def calendar(period: str, zone: str) -> Grant:
    return a_grant(period=period, anchor="calendar", time_zone=zone)


def wall(zone: str, *when: int) -> datetime:
    return datetime(*when, tzinfo=ZoneInfo(zone)).astimezone(UTC)  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("period", "start", "end"),
    [
        ("day", (2026, 3, 29), (2026, 3, 30)),
        ("week", (2026, 3, 23), (2026, 3, 30)),
        ("month", (2026, 3, 1), (2026, 4, 1)),
        ("quarter", (2026, 1, 1), (2026, 4, 1)),
        ("year", (2026, 1, 1), (2027, 1, 1)),
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Tokyo", "America/New_York"])
def test_a_period_of_the_calendar_begins_at_midnight_of_its_zone(
    period: str, start: tuple[int, ...], end: tuple[int, ...], zone: str
) -> None:
    """Whenever the grant began: a week with its Monday, a quarter with January, April, July or October."""
    begins, ends = wall(zone, *start), wall(zone, *end)

    for at in (begins, begins + (ends - begins) / 2, ends - TICK):
        found = of(calendar(period, zone), at)
        assert found is not None
        assert (found.start, found.end) == (begins, ends)
    assert of(calendar(period, zone), ends) != found


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", (2026, 3, 29), 23),
        ("Europe/Berlin", (2026, 10, 25), 25),
        # Its clocks go from midnight to one: the day begins with its first moment.
        ("Africa/Cairo", (2026, 4, 24), 23),
        # They go back from one to midnight, which comes twice.
        ("America/Havana", (2026, 11, 1), 25),
        ("Australia/Lord_Howe", (2026, 4, 5), 24.5),
        ("Asia/Kathmandu", (2026, 4, 5), 24),
    ],
)
def test_a_day_has_the_hours_that_it_has_on_the_wall(zone: str, day: tuple[int, ...], hours: float) -> None:
    noon = wall(zone, *day, 12)

    found = of(calendar("day", zone), noon)

    assert found is not None
    assert (found.end - found.start) / timedelta(hours=1) == hours
    moments = [found.start + step * (found.end - found.start) / 100 for step in range(100)]
    assert {of(calendar("day", zone), at) for at in (*moments, found.end - TICK)} == {found}
    before, after = (of(calendar("day", zone), at) for at in (found.start - TICK, found.end))
    assert before is not None
    assert after is not None
    assert (before.end, after.start) == (found.start, found.end)


@given(at=MOMENTS, zone=st.sampled_from(["UTC", "Pacific/Apia", "America/Sao_Paulo", "Asia/Beirut", "Asia/Gaza"]))
def test_every_moment_is_in_exactly_one_period_of_the_calendar(at: datetime, zone: str) -> None:
    for period in ("day", "week", "month", "quarter", "year"):
        found = of(calendar(period, zone), at)

        assert found is not None
        assert found.start <= at < found.end
        assert of(calendar(period, zone), found.end - TICK) == of(calendar(period, zone), found.start) == found
