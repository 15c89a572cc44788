"""What was used at a moment that is past is summed from what was written down, of the period alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import pytest
from django.db import connection

from entitlements import counters, receipts, reservations
from entitlements.models import UsageCounter
from entitlements.pools import Key, Tally
from events.asking import Asking
from tests.entitlements.conftest import DAY, T0, TICK
from tests.entitlements.test_usage import give, use

pytestmark = pytest.mark.django_db
FEBRUARY = T0.replace(month=2, day=28)
HOUR = timedelta(hours=1)


def key_of(start: datetime) -> Key:
    counter = UsageCounter.objects.get(period_start=start)
    return Key(counter.subject, counter.feature_id, counter.pool, counter.member, counter.period_start)


def tally(start: datetime, at: datetime) -> Tally:
    key = key_of(start)
    return receipts.counting(at=at)([key]).get(key, Tally())


def test_what_was_held_in_a_period_and_used_in_the_next_counts_where_it_was_held() -> None:
    give()
    held, _ = reservations.reserve(
        "ann", "calls", 7, expires_in=DAY, asking=Asking.of("service:app", None, {}), now=FEBRUARY - TICK
    )
    reservations.commit(held, units=5, principal="service:app", now=FEBRUARY + DAY - 2 * TICK)

    said = [tally(T0, at) for at in (FEBRUARY, FEBRUARY + DAY)]

    assert [(each.used, each.reserved) for each in said] == [(0, 7), (5, 0)]


def test_uses_at_the_very_bounds_of_a_period_count_in_it() -> None:
    give()
    for number, at in enumerate((T0, FEBRUARY - TICK, FEBRUARY)):
        use(10**number, f"e-{number}", at=at)

    assert (tally(T0, FEBRUARY + HOUR).used, tally(FEBRUARY, FEBRUARY + HOUR).used) == (11, 100)


@contextmanager
def without_scans() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        yield


def test_of_uses_only_those_of_the_user_in_the_period_are_read() -> None:
    """A year of uses costs no more than a month of them."""
    give()
    use()
    said = {name: [part] for name, part in zip(counters.COLUMNS, key_of(T0), strict=True)}

    with without_scans(), connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {receipts.READ}", {**said, "at": FEBRUARY, "longest": 0})
        plan = "\n".join(line for (line,) in cursor.fetchall())

    assert "Seq Scan" not in plan
    conditions = [line for line in plan.splitlines() if "Index Cond" in line and "at >= " in line and "at <" in line]
    assert conditions
    assert "usage_of_a_user" in plan
    assert "usage_of_a_reservation" in plan
