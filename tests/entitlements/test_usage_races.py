"""Many callers at once, on real commits. Each race has a twin without what decides it, which loses."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction

from entitlements import grants, reservations, usage, usage_batches
from entitlements.errors import EntitlementsError
from entitlements.models import Entitlement, Family, FamilyMember, Reservation, UsageCounter, UsageEvent, UsageThreshold
from entitlements.usage import Use
from entitlements.usage_errors import ReservationOver, UsageRefused
from events import history
from events.asking import Asking
from events.models import Event
from pricing.models import Plan
from tests.entitlements.conftest import DAY, SUBSCRIPTION, T0

pytestmark = pytest.mark.usefixtures("books")
HOUR = timedelta(hours=1)
PLENTY = 1000
# The seeded plan: 1,000 calls a month, soft; the limit here is set in the grant's own row.
CODE = "api_calls"


def give(user_id: str = "ann", *, limit: int | None = 100, soft: bool = False, **terms: Any) -> None:
    version = Plan.objects.get(id="pro-monthly").current
    assert version
    with transaction.atomic():
        rows = grants.grant(
            user_id, version, source=SUBSCRIPTION, starts_at=T0 - DAY, ends_at=T0 + 99 * DAY, at=T0 - DAY
        )
        row = next(row for row in rows if row.feature_id == CODE)
        type(row).objects.filter(pk=row.pk).update(**{"limit": limit, "soft": soft, "rollover_max": None, **terms})


def at_once(works: Sequence[Callable[[], object]], workers: int = 64) -> list[object]:
    """Do all through one gate, and return what each gave or raised."""
    gate = threading.Barrier(min(workers, len(works)))

    def one(number: int) -> object:
        if number < gate.parties:
            gate.wait()
        try:
            return works[number]()
        except (EntitlementsError, OperationalError) as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(min(workers, len(works))) as pool:
        return list(pool.map(one, range(len(works))))


def use(units: int, event_id: str, user_id: str = "ann") -> Any:
    return usage.record(Use(user_id, CODE, units, event_id, T0), principal="service:app", now=T0)


def hold(units: int, *, now: Any = T0) -> Reservation:
    asking = Asking.of("service:app", None, {})
    return reservations.reserve("ann", CODE, units, expires_in=HOUR, asking=asking, now=now)[0]


def total() -> tuple[int, int]:
    counter = UsageCounter.objects.get(member="")
    return counter.used, counter.reserved


def test_64_threads_never_pass_a_hard_limit_while_holds_expire() -> None:
    """Used and reserved stay within the limit, and what was refused was not counted."""
    give(limit=100)
    dice = random.Random(7)
    for _ in range(10):
        hold(5, now=T0 - 2 * HOUR)

    def work(number: int) -> Callable[[], object]:
        kind = dice.choice(["use", "use", "hold", "settle", "expire", "batch"])
        units = dice.randint(1, 4)

        def settle() -> object:
            held = hold(units)
            return reservations.commit(held, units=1, principal="service:app", now=T0)

        def batch() -> object:
            uses = [Use("ann", CODE, 1, f"b-{number}-{n}", T0) for n in range(units)]
            return usage_batches.record_many(uses, principal="service:app", now=T0)

        return {
            "use": lambda: use(units, f"e-{number}"),
            "hold": lambda: hold(units),
            "settle": settle,
            "expire": lambda: reservations.expire_due(now=T0),
            "batch": batch,
        }[kind]

    told = at_once([work(number) for number in range(192)])

    used, reserved = total()
    assert used + reserved == 100
    assert used == sum(UsageEvent.objects.values_list("units", flat=True))
    assert not [each for each in told if isinstance(each, OperationalError)]
    assert [each for each in told if isinstance(each, UsageRefused)]


def test_without_the_condition_the_limit_is_passed() -> None:
    """The twin: read, compare, write, as it is often done, passes the limit."""
    give(limit=10)
    use(1, "first")
    gate = threading.Barrier(8)

    def naive() -> None:
        counter = UsageCounter.objects.get(member="")
        gate.wait()
        if counter.used + counter.reserved + 5 <= 10:
            with connection.cursor() as cursor:
                cursor.execute(
                    "UPDATE entitlements_usagecounter SET used = used + 5, ceiling = NULL WHERE id = %s", [counter.pk]
                )

    at_once([naive] * 8)

    assert total()[0] > 10
    UsageCounter.objects.update(used=1, ceiling=10)


def test_one_id_is_counted_once_whoever_sends_it_at_once() -> None:
    give(limit=PLENTY)

    told = at_once([lambda: use(5, "same")] * 16)

    assert total() == (5, 0)
    assert len({row.pk for row, _ in told}) == 1  # type: ignore[misc,has-type,attr-defined]
    assert [replayed for _, replayed in told].count(False) == 1  # type: ignore[misc,has-type,attr-defined]


def test_thresholds_are_told_once_by_16_at_once() -> None:
    give(limit=64)

    at_once([lambda n=n: use(4, f"e-{n}") for n in range(16)], workers=16)  # type: ignore[misc]

    assert total() == (64, 0)
    assert sorted(UsageThreshold.objects.values_list("percent", flat=True)) == [80, 100]
    assert Event.objects.filter(type="usage.threshold_reached").count() == 2


def test_a_commit_and_the_expiry_have_one_winner() -> None:
    give(limit=100)
    late = T0 + HOUR

    for _ in range(10):
        held = hold(10)
        told = at_once(
            [
                lambda held=held: reservations.commit(held, principal="service:app", now=T0),  # type: ignore[misc]
                lambda: reservations.expire_due(now=late),
                lambda held=held: reservations.release(held, now=T0),  # type: ignore[misc]
            ]
        )
        held.refresh_from_db()
        assert held.status != "held"
        assert [type(each) for each in told].count(ReservationOver) == (2 if held.status == "expired" else 1)

    assert total() == (sum(UsageEvent.objects.values_list("units", flat=True)), 0)


@pytest.fixture
def family(books: None) -> None:
    """Ann owns a family that shares what she has; ben and eva are in it."""
    give(limit=60, member_cap=40)
    row = Family.objects.create(owner_id="ann", principal="t", created_at=T0)
    for user_id, role in (("ann", "owner"), ("ben", "member"), ("eva", "member")):
        FamilyMember.objects.create(
            **{"family": row, "user_id": user_id, "role": role, "status": "active", "status_at": T0},
            **{"invited_at": T0, "joined_at": T0, "principal": "t"},
        )
    Entitlement.objects.filter(user_id="ann").update(family_id=str(row.pk))
    with transaction.atomic():
        history.record("family.created", subject=history.user("ann"), object=f"family:{row.pk}", at=T0)


@pytest.mark.usefixtures("family")
def test_a_family_never_uses_more_than_its_pool() -> None:
    """Conservation: what the members used is what the pool gave, and no member passes his share."""
    works = [lambda n=n: use(3, f"e-{n}", ("ann", "ben", "eva")[n % 3]) for n in range(60)]  # type: ignore[misc]

    told = at_once(works, workers=16)

    assert total() == (60, 0)
    shares = dict(UsageCounter.objects.exclude(member="").values_list("member", "used"))
    own = sum(UsageEvent.objects.filter(user_id="ann").values_list("units", flat=True))
    assert own + sum(shares.values()) == 60
    assert all(share <= 40 for share in shares.values())
    assert {each.code for each in told if isinstance(each, UsageRefused)} <= {"limit_reached", "member_cap_reached"}


@pytest.mark.usefixtures("family")
def test_a_member_stops_at_his_share_although_the_pool_has_more() -> None:
    use(39, "e-1", "ben")

    with pytest.raises(UsageRefused) as refused:
        use(2, "e-2", "ben")

    assert refused.value.code == "member_cap_reached"
    use(20, "e-3", "eva")


def test_batches_of_the_same_counters_in_any_order_do_not_stop_each_other() -> None:
    for user_id in ("ann", "ben", "eva"):
        give(user_id, limit=None)

    def batch(n: int) -> Callable[[], object]:
        users = ["ann", "ben", "eva"]
        random.Random(n).shuffle(users)
        uses = [Use(who, CODE, 1, f"e-{n}-{who}-{turn}", T0) for who in users for turn in range(10)]
        return lambda: usage_batches.record_many(uses, principal="service:app", now=T0)

    told = at_once([batch(n) for n in range(16)], workers=16)

    assert not [each for each in told if isinstance(each, Exception)]
    assert sorted(UsageCounter.objects.values_list("used", flat=True)) == [160] * 3


@contextmanager
def without_the_unique_event_id() -> Iterator[None]:
    found = next(each for each in UsageEvent._meta.constraints if each.name == "one_usage_per_event_id")
    with connection.schema_editor() as editor:
        editor.remove_constraint(UsageEvent, found)
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SET session_replication_role = replica")
            cursor.execute("DELETE FROM entitlements_usageevent")
            cursor.execute("UPDATE entitlements_usagecounter SET used = 0")
            cursor.execute("SET session_replication_role = origin")
        with connection.schema_editor() as editor:
            editor.add_constraint(UsageEvent, found)


def test_without_the_unique_id_a_use_is_counted_twice() -> None:
    """The twin: it is the constraint that lets one of two through, not a look before it."""
    give(limit=PLENTY)
    gate = threading.Barrier(2)

    def look_and_insert() -> None:
        seen = UsageEvent.objects.filter(event_id="same").exists()
        gate.wait()
        if not seen:
            UsageEvent.objects.create(
                **{"principal": "service:app", "event_id": "same", "request_hash": "", "user_id": "ann"},
                **{"feature_id": CODE, "units": 5, "at": T0, "recorded_at": T0},
            )

    with without_the_unique_event_id():
        at_once([look_and_insert] * 2)

        assert UsageEvent.objects.filter(event_id="same").count() == 2
