from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from entitlements import access, facts, receipts, reservations
from entitlements.models import Entitlement, Family, FamilyMember, Reservation, UsageEvent, UsageThreshold
from entitlements.usage_errors import ReservationOver, ReservationTooLong, UsageRefused
from events.asking import Asking, KeyReused
from tests.entitlements.conftest import DAY, PURCHASE, T0, TICK
from tests.entitlements.test_usage import give, use, used

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def hold(units: int, *, key: str | None = None, now: Any = T0, user_id: str = "ann") -> Reservation:
    asking = Asking.of("service:app", key, {"units": units})
    return reservations.reserve(user_id, "calls", units, expires_in=HOUR, asking=asking, now=now)[0]


def state(now: Any = T0) -> tuple[int, int]:
    said = access.check("ann", "calls", at=now, requested=0)
    return said.used, said.reserved


def test_what_is_held_is_not_left_for_others() -> None:
    give()

    hold(60)

    with pytest.raises(UsageRefused):
        use(41)
    with pytest.raises(UsageRefused):
        hold(41)
    assert state() == (0, 60)


def test_a_key_holds_once() -> None:
    give()

    first, again = hold(60, key="k-1"), hold(60, key="k-1")

    assert first.pk == again.pk
    assert state() == (0, 60)
    with pytest.raises(KeyReused):
        hold(61, key="k-1")


@pytest.mark.parametrize(("units", "counted"), [(None, 60), (20, 20), (60, 60), (90, 90)])
def test_a_commit_counts_what_was_used_and_gives_the_rest_back(units: int | None, counted: int) -> None:
    give()
    held = hold(60)

    done, before = reservations.commit(held, units=units, principal="service:app", now=T0)
    again, after = reservations.commit(held, units=units, principal="service:app", now=T0)

    assert (done.status, before, after) == ("committed", False, True)
    assert state() == (counted, 0)
    assert sum(UsageEvent.objects.values_list("units", flat=True)) == counted


def test_a_commit_of_more_than_fits_changes_nothing() -> None:
    give()
    held = hold(60)

    with pytest.raises(UsageRefused):
        reservations.commit(held, units=101, principal="service:app", now=T0)

    assert state() == (0, 60)
    assert Reservation.objects.get().status == "held"


def test_what_is_released_goes_back_to_the_pools_that_paid() -> None:
    give()
    give(plan_id="pack", source=PURCHASE, limit=50, priority=-1)
    held = hold(70)
    assert held.shares == [50, 20]

    reservations.release(held, now=T0)

    assert state() == (0, 0)
    assert use(70).shares == [50, 20]


def test_a_commit_of_less_gives_back_what_would_have_paid_last() -> None:
    give()
    give(plan_id="pack", source=PURCHASE, limit=50, priority=-1)

    reservations.commit(hold(70), units=60, principal="service:app", now=T0)

    assert UsageEvent.objects.get().shares == [50, 10]


def test_a_reservation_leaves_held_once() -> None:
    give()
    held = hold(60)
    reservations.release(held, now=T0)

    with pytest.raises(ReservationOver):
        reservations.commit(held, principal="service:app", now=T0)
    assert reservations.release(held, now=T0)[1]
    assert state() == (0, 0)


def test_another_commit_than_before_is_refused() -> None:
    give()
    held = hold(60)
    reservations.commit(held, units=20, principal="service:app", now=T0)

    with pytest.raises(ReservationOver):
        reservations.commit(held, units=30, principal="service:app", now=T0)


def test_a_reservation_can_be_committed_until_its_end_and_not_at_it() -> None:
    give()
    first, second = hold(10), hold(10)

    reservations.commit(first, principal="service:app", now=T0 + HOUR - TICK)
    with pytest.raises(ReservationOver):
        reservations.commit(second, principal="service:app", now=T0 + HOUR)


@pytest.mark.parametrize("tidied", [False, True])
def test_what_is_over_is_not_released_whether_or_not_a_job_ran(tidied: bool) -> None:
    """It was shown as expired already."""
    give()
    first, second = hold(10), hold(20)

    reservations.release(first, now=T0 + HOUR - TICK)
    if tidied:
        reservations.expire_due(now=T0 + HOUR)
    with pytest.raises(ReservationOver, match="expired"):
        reservations.release(second, now=T0 + HOUR)

    assert state(T0 + HOUR) == (0, 0)


def test_what_is_due_does_not_block_although_no_job_ran() -> None:
    give()
    hold(100)

    use(100, at=T0 + HOUR)

    assert state(T0 + HOUR) == (100, 0)
    assert Reservation.objects.get().status == "expired"


def test_a_check_leaves_what_is_due_to_others_although_no_job_ran() -> None:
    """The end of a reservation is a date: now, and for whoever asks of that moment later."""
    give()
    hold(100)
    key = access.keys(access.Question(facts.read("ann"), "calls"), T0)[0]

    said = [access.check("ann", "calls", at=at) for at in (T0 + HOUR - TICK, T0 + HOUR)]

    assert [(each.reason_code, each.reserved) for each in said] == [("limit_reached", 100), ("within_limit", 0)]
    assert [receipts.counting(at=each.as_of)([key])[key].reserved for each in said] == [100, 0]
    reservations.expire_due(now=T0 + 2 * HOUR)
    assert [receipts.counting(at=each.as_of)([key])[key].reserved for each in said] == [100, 0]


def test_a_members_share_is_his_again_when_what_he_held_is_due() -> None:
    give(member_cap=40)
    family = Family.objects.create(owner_id="ann", created_at=T0)
    for user_id in ("ann", "ben", "eva"):
        FamilyMember.objects.create(
            family=family, user_id=user_id, status="active", status_at=T0, invited_at=T0, joined_at=T0
        )
    Entitlement.objects.update(family_id=str(family.pk))
    hold(40, user_id="ben")
    hold(30, user_id="eva", now=T0 + TICK)

    said = [access.check("ben", "calls", at=at) for at in (T0 + HOUR - TICK, T0 + HOUR)]

    assert [(each.reason_code, each.reserved) for each in said] == [("member_cap_reached", 70), ("within_limit", 30)]
    assert said[1].remaining == 40


def test_a_reservation_whose_id_names_a_use_of_its_sender_is_refused() -> None:
    give()
    held = hold(5)
    use(1, f"reservation:{held.pk}")

    with pytest.raises(KeyReused):
        reservations.commit(held, principal="service:app", now=T0)

    assert state() == (1, 5)


def test_the_job_gives_back_what_is_due_and_nothing_else() -> None:
    give()
    hold(10)
    hold(20, now=T0 + TICK)

    assert reservations.expire_due(now=T0 + HOUR) == 1
    assert reservations.expire_due(now=T0 + HOUR) == 0
    assert state(T0 + HOUR) == (0, 20)


@pytest.mark.parametrize("length", [timedelta(0), timedelta(hours=24, microseconds=1)])
def test_units_are_held_for_a_day_at_most(length: timedelta) -> None:
    give()

    with pytest.raises(ReservationTooLong):
        reservations.reserve("ann", "calls", 1, expires_in=length, asking=Asking.of("service:app", None, {}), now=T0)


def test_what_is_held_above_a_soft_limit_is_overage_when_it_is_used() -> None:
    give(soft=True)
    use(90)

    reservations.commit(hold(30), units=25, principal="service:app", now=T0)

    assert UsageEvent.objects.get(units=25).overage == 15
    assert used() == 115


def test_psql_cannot_bring_a_reservation_back() -> None:
    give()
    held = hold(10)
    reservations.release(held, now=T0)

    with pytest.raises(Exception, match="cannot become"), connection.cursor() as cursor:
        cursor.execute("UPDATE entitlements_reservation SET status = 'held' WHERE id = %s", [held.pk])


@pytest.mark.parametrize("after", [timedelta(0), HOUR - TICK])
@pytest.mark.parametrize(("units", "told"), [(79, []), (80, [80]), (100, [80, 100])])
def test_a_commit_tells_what_it_reaches_in_the_period_that_held_it(
    after: timedelta, units: int, told: list[int]
) -> None:
    """A hold alone tells nothing; one that is committed in the next period counts, and tells, in its own."""
    give(warn_at=[80, 100])
    before_the_end = T0 + 28 * DAY - TICK
    held = hold(100, now=before_the_end)
    assert not UsageThreshold.objects.exists()

    reservations.commit(held, units=units, principal="service:app", now=before_the_end + after)

    rows = UsageThreshold.objects.order_by("percent").values_list("percent", "period_start")
    assert list(rows) == [(percent, T0) for percent in told]
