from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from entitlements import usage, usage_batches
from entitlements.models import UsageCounter, UsageEvent, UsageThreshold
from entitlements.usage import Use
from entitlements.usage_errors import UsageRefused
from events.asking import KeyReused
from events.models import Event
from tests.entitlements.conftest import PURCHASE, T0
from tests.entitlements.test_usage import give, use, used

pytestmark = pytest.mark.django_db


def batch(*uses: Use) -> list[usage_batches.Outcome]:
    return usage_batches.record_many(uses, principal="service:app", now=T0)


def a_use(n: int, units: int = 1, user_id: str = "ann", **said: Any) -> Use:
    return Use(user_id, "calls", units, f"e-{n}", **said)


def test_a_batch_counts_each_use_once() -> None:
    give()
    give("ben")

    told = batch(*(a_use(n, user_id="ann" if n % 2 else "ben") for n in range(60)))
    again = batch(*(a_use(n, user_id="ann" if n % 2 else "ben") for n in range(60)))

    assert (used("ann"), used("ben")) == (30, 30)
    assert [each.id for each in told] == [each.id for each in again]
    assert {each.replayed for each in told} == {False}
    assert {each.replayed for each in again} == {True}
    assert UsageEvent.objects.count() == 60


def test_what_does_not_fit_is_refused_alone() -> None:
    """Partial success: each use stands or falls by itself, in their order."""
    give()

    told = batch(a_use(1, 60), a_use(2, 60), a_use(3, 40), a_use(4, 1))

    assert [type(each.error) for each in told] == [type(None), UsageRefused, type(None), UsageRefused]
    assert used() == 100


def test_an_id_that_comes_twice_in_a_batch_is_one_use() -> None:
    give()

    told = batch(a_use(1, 5), a_use(1, 5), a_use(1, 6))

    assert (told[0].id, told[0].replayed, told[1].id, told[1].replayed) == (told[0].id, False, told[0].id, True)
    assert isinstance(told[2].error, KeyReused)
    assert used() == 5


def test_an_id_of_another_use_is_refused_alone() -> None:
    give()
    use(5, "e-1")

    told = batch(a_use(1, 6), a_use(2, 7))

    assert isinstance(told[0].error, KeyReused)
    assert used() == 12


def test_a_batch_tells_each_threshold_once() -> None:
    give()

    batch(*(a_use(n, 10) for n in range(10)))

    assert sorted(UsageThreshold.objects.values_list("percent", flat=True)) == [80, 100]
    assert Event.objects.filter(type="usage.threshold_reached").count() == 2


USES = st.lists(
    st.tuples(st.integers(1, 6), st.integers(-1, 60), st.sampled_from(["ann", "ben"]), st.sampled_from([1, 29])),
    max_size=8,
)


@pytest.mark.parametrize("terms", [{}, {"soft": True}, {"rollover_max": 20}, {"limit": None}, {"pack": 30}])
def test_a_batch_is_as_its_uses_one_by_one(terms: dict[str, Any]) -> None:
    """The same counters, events, outcomes and thresholds, whatever is in it."""
    pack = terms.get("pack")
    for who in ("ann", "ben"):
        give(who, **({} if pack else terms))
        if pack:
            give(who, plan_id="pack", source=PURCHASE, limit=pack, priority=-1)

    @settings(max_examples=30, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(rows=USES)
    def holds(rows: list[tuple[int, int, str, int]]) -> None:
        march = T0.replace(month=3, day=1)
        uses = [Use(who, "calls", n, f"e-{name}", T0 if month == 1 else march) for name, n, who, month in rows]

        assert left_by(_together, uses, march) == left_by(_singly, uses, march)

    holds()


def left_by(work: Callable[[list[Use], datetime], list[Any]], uses: list[Use], now: datetime) -> Any:
    with transaction.atomic():
        outcomes = work(uses, now)
        counters = sorted(UsageCounter.objects.values_list("subject", "period_start", "used", "rolled", "pool"))
        events = sorted(UsageEvent.objects.values_list("event_id", "units", "overage", "shares", "user_id"))
        marks = sorted(UsageThreshold.objects.values_list("subject", "period_start", "percent"))
        transaction.set_rollback(True)
    return outcomes, [row for row in counters if row[2]], events, marks


def _together(uses: list[Use], now: Any) -> list[Any]:
    told = usage_batches.record_many(uses, principal="service:app", now=now)
    return [each.error.code if each.error else each.replayed for each in told]


def _singly(uses: list[Use], now: Any) -> list[Any]:
    outcomes: list[Any] = []
    for each in uses:
        try:
            outcomes.append(usage.record(each, principal="service:app", now=now)[1])
        except Exception as error:
            outcomes.append(error.code)  # type: ignore[attr-defined]
    return outcomes
