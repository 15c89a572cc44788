from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.db import transaction

from entitlements import access, grants, usage
from entitlements.models import UsageCounter, UsageEvent
from entitlements.usage import Use
from entitlements.usage_errors import BelowZero, NotMetered, UnitsWrong, UsageInTheFuture, UsageRefused
from events.asking import KeyReused
from tests.entitlements.conftest import DAY, PURCHASE, SUBSCRIPTION, T0, TICK, a_version

pytestmark = pytest.mark.django_db
END = T0 + 30 * DAY


def give(user_id: str = "ann", *, plan_id: str = "atlas", source: Any = SUBSCRIPTION, **calls: Any) -> None:
    """Grant a plan with `calls` on these terms over a year."""
    version = a_version({"calls": {"limit": 100, "period": "month", **calls}}, plan_id=plan_id)
    with transaction.atomic():
        grants.grant(user_id, version, source=source, starts_at=T0, ends_at=T0 + 365 * DAY, at=T0)


def use(units: int = 1, event_id: str = "e-1", *, user_id: str = "ann", at: datetime = T0, code: str = "calls") -> Any:
    return usage.record(Use(user_id, code, units, event_id, at), principal="service:app", now=at)[0]


def used(user_id: str = "ann", at: datetime = T0, code: str = "calls") -> int:
    return access.check(user_id, code, at=at, requested=0).used


def test_a_use_is_counted_once_for_its_id() -> None:
    """US-01, US-02: a replay changes nothing, and brings the same row."""
    give()

    first, again = use(30), use(30)

    assert first.pk == again.pk
    assert used() == 30
    assert UsageEvent.objects.get() == first


def test_the_row_says_which_pool_paid() -> None:
    give()

    made = use(30)

    counter = UsageCounter.objects.get()
    kept = UsageEvent.objects.get()
    assert (made.counters, made.shares) == (kept.counters, kept.shares) == ([counter.pk], [30])
    assert (counter.used, counter.reserved, counter.ceiling) == (30, 0, 100)


def test_one_id_names_one_use() -> None:
    give()
    use(30)

    with pytest.raises(KeyReused):
        use(31)

    assert used() == 30


def test_a_hard_limit_refuses_all_of_a_use_that_does_not_fit() -> None:
    give()
    use(99)

    with pytest.raises(UsageRefused) as refused:
        use(2, "e-2")

    assert refused.value.code == "limit_reached"
    assert refused.value.members["remaining"] == 1
    assert used() == 99
    use(1, "e-3")
    assert used() == 100


def test_a_replay_after_the_limit_is_reached_is_still_a_replay() -> None:
    give()
    first = use(100)

    assert use(100).pk == first.pk


def test_a_replay_after_access_has_ended_is_still_a_replay() -> None:
    give()
    first = use(10)
    with transaction.atomic():
        grants.revoke(SUBSCRIPTION, reason="refund", at=T0)

    assert use(10).pk == first.pk
    with pytest.raises(UsageRefused) as refused:
        use(1, "e-2")
    assert refused.value.code == "revoked"


def test_a_soft_limit_lets_through_and_counts_what_is_over() -> None:
    give(soft=True)
    use(90)

    made = use(30, "e-2")

    assert made.overage == 20
    assert access.check("ann", "calls", at=T0).overage == 20


def test_no_limit_counts_and_never_refuses() -> None:
    give(limit=None)

    use(10**12)

    assert used() == 10**12


def test_pools_pay_in_their_order_and_together() -> None:
    """Two grants side by side: what one lacks the other gives, all of it or nothing."""
    give()
    give(plan_id="pack", source=PURCHASE, limit=50, priority=-1)

    made = use(70)
    with pytest.raises(UsageRefused):
        use(81, "e-2")

    assert made.shares == [50, 20]
    assert used() == 70


def test_a_limit_counts_from_the_original_anchor_at_month_ends() -> None:
    """31 January, 28 February, 31 March."""
    give()
    february = T0.replace(month=2, day=28)

    use(100, at=february - TICK)
    use(1, "e-2", at=february)

    assert (used(at=february - TICK), used(at=february)) == (100, 1)
    assert used(at=T0.replace(month=3, day=31) - TICK) == 1
    assert used(at=T0.replace(month=3, day=31)) == 0


def test_what_is_left_rolls_over_once() -> None:
    give(rollover_max=30)
    use(80)
    february = T0.replace(month=2, day=28)

    use(120, "e-2", at=february)

    with pytest.raises(UsageRefused):
        use(1, "e-3", at=february)


def test_a_use_that_is_told_late_cannot_take_what_moved_on() -> None:
    give(rollover_max=30)
    use(80)
    february = T0.replace(month=2, day=28)
    use(1, "e-2", at=february)

    with pytest.raises(UsageRefused):
        use(1, "e-3", at=T0)


def test_a_plan_that_gives_less_than_was_used_refuses_the_next_use() -> None:
    give()
    use(60)
    smaller = a_version({"calls": {"limit": 50, "period": "month"}})
    with transaction.atomic():
        grants.grant("ann", smaller, source=SUBSCRIPTION, starts_at=T0, ends_at=END, at=T0)

    with pytest.raises(UsageRefused):
        use(1, "e-2")

    assert used() == 60


def test_seats_are_given_back_and_never_below_none() -> None:
    with transaction.atomic():
        grants.grant("ann", a_version(), source=SUBSCRIPTION, starts_at=T0, ends_at=END, at=T0)
    use(5, code="disk")
    with pytest.raises(UsageRefused):
        use(1, "e-2", code="disk")

    use(-2, "e-3", code="disk")

    assert used(code="disk") == 3
    with pytest.raises(BelowZero):
        use(-4, "e-4", code="disk")


@pytest.mark.parametrize("units", [0, -1])
def test_what_is_used_up_is_not_given_back_as_a_use(units: int) -> None:
    give()

    with pytest.raises(UnitsWrong):
        use(units)


def test_only_what_is_metered_is_counted() -> None:
    with transaction.atomic():
        grants.grant("ann", a_version(), source=SUBSCRIPTION, starts_at=T0, ends_at=END, at=T0)

    with pytest.raises(NotMetered):
        use(code="pdf")


def test_the_future_is_not_recorded() -> None:
    give()

    with pytest.raises(UsageInTheFuture):
        usage.record(Use("ann", "calls", 1, "e-1", T0 + DAY), principal="service:app", now=T0)


def test_a_feature_that_nobody_knows_is_refused() -> None:
    with pytest.raises(UsageRefused) as refused:
        use(code="no-such")

    assert refused.value.code == "feature_unknown"
