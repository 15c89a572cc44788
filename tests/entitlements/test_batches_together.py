"""Batches that go together, beside all transactions: each is told what became of its own uses, as if it came alone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from entitlements import usage_batches
from entitlements.grants import Source
from entitlements.models import SourceType, UsageCounter, UsageEvent, UsageThreshold
from entitlements.usage import Use
from entitlements.usage_batches import Outcome
from tests.entitlements import test_usage
from tests.entitlements import test_usage_batches as alone
from tests.entitlements.conftest import T0
from tests.entitlements.test_convoys import give
from tests.entitlements.test_stream import wait_until
from tests.entitlements.test_usage import used
from tests.entitlements.test_usage_batches import a_use, batch

pytestmark = pytest.mark.usefixtures("books")
PACK = Source(SourceType.PROMOTION, "a pack")
MARCH = T0.replace(month=3, day=1)


@pytest.fixture(autouse=True)
def ended() -> Iterator[None]:
    yield
    usage_batches.convoy.prepared.close()


def at_once(*batches: list[Use]) -> list[list[Outcome]]:
    """Let all of them wait, in their order, and then go in one group."""
    group = usage_batches.convoy.group
    found: list[list[Outcome]] = [[] for _ in batches]
    group._under_way = True

    def one(number: int) -> None:
        found[number] = batch(*batches[number])
        connection.close()

    threads = [threading.Thread(target=one, args=(number,)) for number in range(len(batches))]
    for number, thread in enumerate(threads, 1):
        thread.start()
        wait_until(lambda number=number: len(group._waiting) == number)  # type: ignore[misc]
    group._pass_on()
    for thread in threads:
        thread.join()
    return found


# They are given what nobody has paid for.
@pytest.mark.broken_books
@pytest.mark.parametrize(
    "holds",
    [
        alone.test_a_batch_counts_each_use_once,
        alone.test_what_does_not_fit_is_refused_alone,
        alone.test_an_id_that_comes_twice_in_a_batch_is_one_use,
        alone.test_an_id_of_another_use_is_refused_alone,
        alone.test_a_batch_tells_each_threshold_once,
    ],
)
def test_what_holds_in_a_transaction_holds_beside_it(holds: Callable[[], None]) -> None:
    holds()


def test_batches_of_the_same_users_go_in_one_statement() -> None:
    """Each has rows of its own, of what it said."""
    give()
    give("ben")

    told = at_once(*([a_use(10 * n + m, m, "ann" if m % 2 else "ben") for m in range(1, 6)] for n in range(3)))

    rows = {row.event_id: row for row in UsageEvent.objects.all()}
    assert [[each.id for each in one] for one in told] == [
        [rows[f"e-{10 * n + m}"].pk for m in range(1, 6)] for n in range(3)
    ]
    assert all(rows[f"e-{10 * n + m}"].units == m for n in range(3) for m in range(1, 6))
    assert (used("ann"), used("ben")) == (27, 18)
    assert len({row.recorded_at for row in rows.values()}) == 1


def test_the_same_batch_twice_at_once_is_counted_once() -> None:
    """The second is told what became of the first."""
    give()
    uses = [a_use(n, n) for n in range(1, 6)]

    first, second = at_once(uses, uses)

    assert [each.id for each in first] == [each.id for each in second]
    assert {each.replayed for each in first} != {each.replayed for each in second}
    assert used() == 15


def test_a_batch_that_does_not_fit_stops_no_other() -> None:
    give()
    give("ben")

    first, second = at_once([a_use(1, 90), a_use(2, 90)], [a_use(3, 1, "ben"), a_use(4, 2, "ben")])

    assert [bool(each.error) for each in first] == [False, True]
    assert [bool(each.error) for each in second] == [False, False]
    assert (used(), used("ben")) == (90, 3)


def test_batches_of_many_threads_never_pass_a_limit() -> None:
    give(limit=50, warn_at=[])
    give("ben", limit=1000)
    gate, told = threading.Barrier(12), []

    def one(number: int) -> None:
        gate.wait()
        for turn in range(3):
            first = 1000 * number + 100 * turn
            told.append(batch(*(a_use(first + n, 1, "ann" if n % 2 else "ben") for n in range(8))))
        connection.close()

    threads = [threading.Thread(target=one, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    good = [each.id for one in told for each in one if each.id]
    assert (used(), used("ben")) == (50, 144)
    assert set(good) == set(UsageEvent.objects.values_list("id", flat=True))
    assert len(good) == 194


def test_inside_a_transaction_nothing_is_written_beside_it() -> None:
    give()

    with transaction.atomic():
        assert [each.error for each in batch(a_use(1), a_use(2))] == [None, None]
        transaction.set_rollback(True)

    assert UsageEvent.objects.count() == 0
    assert UsageCounter.objects.count() == 0


@pytest.mark.parametrize("terms", [{}, {"soft": True}, {"rollover_max": 20}, {"limit": None}, {"pack": 30}])
def test_a_batch_beside_transactions_is_as_its_uses_one_by_one(terms: dict[str, Any]) -> None:
    """The same counters, events, outcomes and thresholds, whatever is in it."""
    examples: list[str] = []

    @settings(max_examples=20, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(rows=USES)
    def holds(rows: list[tuple[int, int, str, int]]) -> None:
        examples.append("")

        assert left_by(alone._together, f"t{len(examples)}", rows, terms) == left_by(
            alone._singly, f"s{len(examples)}", rows, terms
        )

    holds()


USES = st.lists(
    st.tuples(st.integers(1, 6), st.integers(-1, 60), st.sampled_from(["ann", "ben"]), st.sampled_from([1, 29])),
    min_size=2,
    max_size=8,
)


def left_by(
    work: Callable[[list[Use], datetime], list[Any]],
    name: str,
    rows: list[tuple[int, int, str, int]],
    terms: dict[str, Any],
) -> Any:
    """Give both what they have, under names that nobody had before, and tell what is left of it."""
    pack = terms.get("pack")
    for who in ("ann", "ben"):
        give(f"{who}-{name}", **({} if pack else terms))
        if pack:
            test_usage.give(f"{who}-{name}", plan_id="pack", source=PACK, limit=pack, priority=-1)
    whole = [
        Use(f"{who}-{name}", "calls", n, f"e-{name}-{number}", T0 if month == 1 else MARCH)
        for number, n, who, month in rows
    ]
    outcomes = work(whole, MARCH)

    def bare(row: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(each.replace(f"-{name}", "") if isinstance(each, str) else each for each in row)

    counters = UsageCounter.objects.filter(subject__endswith=f"-{name}", used__gt=0)
    events = UsageEvent.objects.filter(user_id__endswith=f"-{name}")
    marks = UsageThreshold.objects.filter(subject__endswith=f"-{name}")
    return (
        outcomes,
        sorted(map(bare, counters.values_list("subject", "period_start", "used", "rolled"))),
        sorted(map(bare, events.values_list("event_id", "units", "overage", "shares", "user_id"))),
        sorted(map(bare, marks.values_list("subject", "period_start", "percent"))),
    )
