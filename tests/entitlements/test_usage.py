from __future__ import annotations

import contextlib
from datetime import datetime
from importlib import import_module
from typing import Any

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from entitlements import (
    access,
    draws,
    facts,
    grants,
    invariants,
    persons,
    reservations,
    usage,
    usage_batches,
    usage_corrections,
)
from entitlements.errors import EntitlementsError
from entitlements.models import Override, Reservation, UsageCounter, UsageEvent
from entitlements.usage import Use
from entitlements.usage_errors import BelowZero, NotMetered, UnitsWrong, UsageInTheFuture, UsageRefused
from events.asking import Asking, KeyReused
from events.ids import uuid7
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


@pytest.mark.parametrize(
    ("spent", "left"), [({}, 350), ({1: 1}, 350), ({3: 60}, 340), ({2: 180}, 220), ({3: 300}, 100)]
)
def test_what_is_left_adds_up_over_months_without_any_use(spent: dict[int, int], left: int) -> None:
    """A month in which nothing was used leaves what one in which little was used leaves, and its own limit."""
    give(rollover_max=250)
    for month, units in spent.items():
        use(units, f"e-{month}", at=T0.replace(month=month, day=28 if month == 2 else 31))
    april = T0.replace(month=4, day=30)

    said = access.check("ann", "calls", at=april, requested=0)

    assert (said.limit, said.remaining) == (left, left)
    assert use(left, "all", at=april).units == left
    with pytest.raises(UsageRefused):
        use(1, "more", at=april)
    assert access.check("ann", "calls", at=april, requested=0).limit == left
    assert access.check("ann", "calls", at=T0.replace(month=5), requested=0).remaining == 100


def test_a_use_that_is_told_late_cannot_take_what_moved_on_through_an_unused_month() -> None:
    give(rollover_max=250)
    use(1, at=T0.replace(month=4, day=30))

    with pytest.raises(UsageRefused):
        use(1, "late", at=T0)
    with pytest.raises(UsageRefused):
        use(51, "later", at=T0.replace(month=3))
    use(50, "in time", at=T0.replace(month=3))


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


def an_override(effect: str, **said: Any) -> None:
    plain = {"user_id": "ann", "feature_id": "calls", "reason": "r", "actor": "eva", "principal": "eva"}
    Override.objects.create(**{**plain, "effect": effect, "starts_at": T0, "created_at": T0, **said})


def test_another_limit_counts_what_was_used_before_it() -> None:
    """An override takes the stead of the pools, and what they gave is spent of it."""
    give()
    use(60)
    an_override("value", limit=70, operation="set")

    with pytest.raises(UsageRefused):
        use(11, "e-2")
    use(10, "e-3")

    assert access.check("ann", "calls", at=T0).remaining == 0


@pytest.mark.parametrize("operation", ["set", "max"])
def test_what_was_used_by_an_override_is_used_still_when_it_is_over(operation: str) -> None:
    """Neither another override nor the end of all gives the same units again within the period."""
    give()
    use(60)
    an_override("value", limit=200, operation=operation, ends_at=T0 + DAY)
    use(90, "e-2")
    an_override("value", limit=300, operation=operation, created_at=T0 + TICK, ends_at=T0 + DAY)
    use(10, "e-3", at=T0 + 2 * TICK)

    during, after = access.check("ann", "calls", at=T0 + 2 * TICK), access.check("ann", "calls", at=T0 + DAY)

    assert (during.used, during.remaining) == (160, 140)
    assert (after.used, after.remaining, after.reason_code) == (160, 0, "limit_reached")
    with pytest.raises(UsageRefused):
        use(1, "e-4", at=T0 + DAY)
    assert used(at=END - TICK) == 0


def test_what_was_used_by_an_override_is_taken_from_the_pools_in_their_order() -> None:
    give()
    with transaction.atomic():
        version = a_version({"calls": {"limit": 40, "period": "month"}}, plan_id="more")
        grants.grant("ann", version, source=PURCHASE, starts_at=T0, ends_at=None, at=T0)
    an_override("value", limit=150, ends_at=T0 + DAY)
    use(130)

    after = access.check("ann", "calls", at=T0 + DAY)
    paid = use(10, "e-2", at=T0 + DAY)

    assert (after.used, after.remaining, after.limit) == (130, 10, 140)
    assert paid.shares == [10]
    with pytest.raises(UsageRefused):
        use(1, "e-3", at=T0 + DAY)


def test_what_overrides_have_counted_apart_is_counted_together() -> None:
    give()
    an_override("value", limit=200)
    use(120)
    UsageCounter.objects.filter(pool=None).update(pool=Override.objects.get().pk)
    before = used()

    with connection.cursor() as cursor:
        cursor.execute(import_module("entitlements.migrations.0020_overrides_are_counted_together").TOGETHER)

    assert (before, used()) == (0, 120)


def test_a_smaller_addition_gives_nothing_of_the_larger_one_again() -> None:
    give()
    an_override("value", limit=200)
    use(120)
    an_override("value", limit=5, operation="add", created_at=T0 + TICK)

    found = access.check("ann", "calls", at=T0 + TICK)

    assert (found.limit, found.used, found.allowed) == (105, 120, False)
    with pytest.raises(UsageRefused):
        use(1, "e-2", at=T0 + TICK)


def test_a_limit_that_is_added_pays_last() -> None:
    give()
    an_override("value", limit=5, operation="add")

    assert use(105).shares == [100, 5]
    with pytest.raises(UsageRefused):
        use(1, "e-2")


@pytest.mark.parametrize(("operation", "limit"), [("set", 8), ("add", 3), ("max", 8)])
def test_seats_are_one_count_whatever_staff_say_of_their_limit(operation: str, limit: int) -> None:
    """What is only counted is there or not: it can be given back, and an override that ends forgets none of it."""
    with transaction.atomic():
        grants.grant("ann", a_version(), source=SUBSCRIPTION, starts_at=T0, ends_at=END, at=T0)
    use(5, code="disk")
    an_override("value", feature_id="disk", limit=limit, operation=operation, ends_at=T0 + DAY)

    use(3, "e-2", code="disk")

    with pytest.raises(UsageRefused):
        use(1, "e-3", code="disk")
    assert access.check("ann", "disk", at=T0, requested=0).limit == 8
    assert (used(code="disk"), used(code="disk", at=T0 + DAY)) == (8, 8)
    use(-4, "e-4", code="disk")
    assert used(code="disk") == 4
    use(1, "e-5", code="disk", at=T0 + DAY)
    with pytest.raises(UsageRefused):
        use(1, "e-6", code="disk", at=T0 + DAY)
    assert UsageCounter.objects.count() == 1


@pytest.mark.parametrize("said", [{"effect": "allow"}, {"effect": "value", "limit": 9}])
def test_seats_that_staff_alone_gave_are_still_taken_when_a_plan_comes(said: dict[str, Any]) -> None:
    a_version()
    an_override(**said, feature_id="disk", ends_at=T0 + DAY)
    use(3, code="disk")

    with transaction.atomic():
        grants.grant("ann", a_version(), source=SUBSCRIPTION, starts_at=T0, ends_at=END, at=T0)

    assert used(code="disk") == used(code="disk", at=T0 + DAY) == 3


def test_who_is_allowed_by_staff_goes_beyond_a_hard_limit_and_is_counted() -> None:
    give()
    an_override("allow")

    assert use(130).overage == 30
    found = access.check("ann", "calls", at=T0)
    assert (found.used, found.reason_code, found.source and found.source.type) == (130, "override_allow", "override")


def test_who_is_allowed_by_staff_without_a_grant_is_counted() -> None:
    a_version()
    an_override("allow")

    use(7)

    found = access.check("ann", "calls", at=T0)
    assert (UsageCounter.objects.get().used, found.used, found.unlimited) == (7, 7, True)


def test_who_is_denied_by_staff_uses_nothing() -> None:
    give()
    an_override("deny")

    with pytest.raises(UsageRefused) as refused:
        use(1)
    assert refused.value.code == "override_deny"


def test_what_is_known_from_before_a_change_decides_nothing() -> None:
    """A draw by old facts is read again: a limit that fell a moment ago holds."""
    give()
    known = facts.read("ann")
    smaller = a_version({"calls": {"limit": 50, "period": "month"}})
    with transaction.atomic():
        grants.grant("ann", smaller, source=SUBSCRIPTION, starts_at=T0, ends_at=END, at=T0)
    draw = draws.of(known, "calls", 60, T0)
    written = draws.Written(uuid7(), "service:app", "e-1", "", T0, None, {})

    assert draws.take(draw, written, telling=True).said == "stale"
    assert used() == 0


def test_what_the_sender_noted_is_emptied_with_the_person() -> None:
    give()
    usage.record(Use("ann", "calls", 1, "e-1", T0, {"who": "Ann"}), principal="service:app", now=T0)

    assert persons.erase("ann") == 1
    assert UsageEvent.objects.get().metadata == {}


STEPS = st.lists(
    st.tuples(st.sampled_from(["use", "hold", "commit", "release", "expire", "correct"]), st.integers(1, 60)),
    max_size=12,
)


@pytest.mark.parametrize("terms", [{}, {"soft": True}, {"rollover_max": 30}])
def test_whatever_happens_counters_are_the_sums_of_rows(terms: dict[str, Any]) -> None:
    """Used and reserved stay within a hard limit, and every unit can be told."""
    give(**terms)
    give(plan_id="pack", source=PURCHASE, limit=50, priority=-1)

    @settings(max_examples=25, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(steps=STEPS)
    def holds(steps: list[tuple[str, int]]) -> None:
        with transaction.atomic():
            for number, (kind, units) in enumerate(steps):
                with contextlib.suppress(EntitlementsError):
                    step(kind, units, number)
            said = access.check("ann", "calls", at=T0, requested=0)
            broken = {rule.name: rule.broken() for rule in invariants.ALL if "counter" in rule.sql}
            kept = sum(UsageEvent.objects.values_list("units", flat=True))
            held = sum(Reservation.objects.filter(status="held").values_list("units", flat=True))
            transaction.set_rollback(True)

        assert (said.used, said.reserved) == (kept, held)
        assert "soft" in terms or said.used + said.reserved <= 150
        assert not any(broken.values())

    holds()


def step(kind: str, units: int, number: int) -> None:
    """Do one thing: to the first reservation or use there is, where it needs one."""
    asking = Asking.of("service:app", f"k-{number}", {"units": units})
    held, made = Reservation.objects.order_by("id").first(), UsageEvent.objects.order_by("id").first()
    if kind == "use":
        use(units, f"e-{number}")
    elif kind == "hold":
        reservations.reserve("ann", "calls", units, expires_in=DAY, asking=asking, now=T0)
    elif kind == "commit" and held:
        reservations.commit(held, units=units, principal="service:app", now=T0)
    elif kind == "release" and held:
        reservations.release(held, now=T0)
    elif kind == "expire":
        reservations.expire_due(now=T0 + DAY)
    elif kind == "correct" and made and made.corrects is None:
        usage_corrections.correct(made, -units, reason="r", asking=asking, now=T0)


def test_a_use_is_two_round_trips_and_so_are_a_thousand(django_assert_num_queries: Any) -> None:
    """What is known of the user, and the draw; of a batch a savepoint of the test's own transaction beside it."""
    give(limit=None)
    use(1, "first")

    with django_assert_num_queries(2):
        use(1, "e-1")
    with django_assert_num_queries(4):
        usage_batches.record_many(
            [Use("ann", "calls", 1, f"b-{n}", T0) for n in range(1000)], principal="service:app", now=T0
        )
