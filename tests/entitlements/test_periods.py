"""The period that a limit counts in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entitlements.periods import window
from tests.entitlements.conftest import DAY, T0, TICK

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
