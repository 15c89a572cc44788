"""Callers who go together: each is told what became of his own use, whatever became of the others'."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from django.db import connection, transaction

from entitlements import facts, purses, usage
from entitlements.convoys import Convoy, Gone
from entitlements.grants import Source
from entitlements.models import Entitlement, SourceType, UsageCounter, UsageEvent, UsageThreshold
from entitlements.usage import Use
from events.asking import KeyReused
from tests.entitlements import test_usage
from tests.entitlements.conftest import DAY, T0
from tests.entitlements.test_stream import wait_until

pytestmark = pytest.mark.usefixtures("books")
APP = "service:app"
GIVEN = Source(SourceType.PROMOTION, "a promotion")


@pytest.fixture
def convoy() -> Iterator[Convoy]:
    made = Convoy()
    yield made
    made.prepared.close()


def give(user_id: str = "ann", **calls: Any) -> None:
    test_usage.give(user_id, source=GIVEN, **calls)


def a_use(event_id: str, units: int = 1, user_id: str = "ann", **more: Any) -> Use:
    return Use(user_id, "calls", units, event_id, T0, **more)


def ride(convoy: Convoy, use: Use, principal: str = APP, known: facts.Facts | None = None) -> Gone | None:
    entry = purses.plain(known or facts.read(use.user_id), use.feature_code, T0)
    # Who waits holds no connection.
    connection.close()
    assert entry
    return convoy.ride(use, use.asking(principal), entry, T0)


def together(convoy: Convoy, *rides: Callable[[], Gone | None]) -> list[Gone | None]:
    """Let all of them wait, in their order, and then go in one group."""
    found: list[Gone | None] = [None] * len(rides)
    convoy.group._under_way = True

    def one(number: int) -> None:
        found[number] = rides[number]()
        connection.close()

    threads = [threading.Thread(target=one, args=(number,)) for number in range(len(rides))]
    for number, thread in enumerate(threads, 1):
        thread.start()
        wait_until(lambda number=number: len(convoy.group._waiting) == number)  # type: ignore[misc]
    convoy.group._pass_on()
    for thread in threads:
        thread.join()
    return found


def uses(convoy: Convoy, *all_of_them: Use) -> list[Callable[[], Gone | None]]:
    return [lambda use=use: ride(convoy, use) for use in all_of_them]  # type: ignore[misc]


def counted(user_id: str = "ann") -> int:
    return sum(UsageCounter.objects.filter(subject=f"user:{user_id}").values_list("used", flat=True))


def test_who_waits_together_goes_together(convoy: Convoy) -> None:
    """Each has a row of his own, of what he said."""
    give()
    give("ben")

    told = together(convoy, *uses(convoy, *(a_use(f"e-{n}", n, "ann" if n % 2 else "ben") for n in range(1, 9))))

    rows = {row.event_id: row for row in UsageEvent.objects.all()}
    assert [gone and gone.item.id for gone in told] == [rows[f"e-{n}"].pk for n in range(1, 9)]
    assert (counted(), counted("ben")) == (16, 20)
    assert {row.recorded_at for row in rows.values()} == {gone.recorded_at for gone in told if gone}
    assert len({row.recorded_at for row in rows.values()}) == 1


def test_an_id_that_comes_twice_in_a_group_is_counted_once(convoy: Convoy) -> None:
    """The second is told what became of the first; with another body, that the id is taken. Others do not mind."""
    give()

    told = together(convoy, *uses(convoy, a_use("e", 3), a_use("e", 3), a_use("e", 4), a_use("f", 5)))

    first = told[0]
    assert first
    assert [bool(gone) for gone in told] == [True, False, False, True]
    assert usage.record(a_use("e", 3), principal=APP, now=T0)[0].pk == first.item.id
    with pytest.raises(KeyReused):
        usage.record(a_use("e", 4), principal=APP, now=T0)
    assert counted() == 8


def test_an_id_belongs_to_who_gave_it(convoy: Convoy) -> None:
    give()

    told = together(
        convoy, lambda: ride(convoy, a_use("e")), lambda: ride(convoy, a_use("e"), principal="service:other")
    )

    assert all(told)
    assert counted() == 2


def test_what_was_written_down_before_is_left_alone(convoy: Convoy) -> None:
    give()
    usage.record(a_use("e", 3), principal=APP, now=T0)

    told = together(convoy, *uses(convoy, a_use("e", 3), a_use("e", 9), a_use("f")))

    assert [bool(gone) for gone in told] == [False, False, True]
    assert counted() == 4


def test_who_does_not_fit_stops_nobody_else(convoy: Convoy) -> None:
    """Of the counter that would be passed none goes; they are told one by one, and those of others have gone."""
    give()
    give("ben")

    told = together(convoy, *uses(convoy, a_use("a", 60), a_use("b", 60), a_use("c", 1, "ben")))

    assert [bool(gone) for gone in told] == [False, False, True]
    assert (counted(), counted("ben")) == (0, 1)


def test_what_reaches_a_threshold_is_left_to_be_told(convoy: Convoy) -> None:
    give(warn_at=[80])

    told = together(convoy, *uses(convoy, a_use("a", 79), a_use("b", 1)))

    assert told == [None, None]
    assert (counted(), UsageThreshold.objects.count()) == (0, 0)


@pytest.mark.parametrize("used_before", [0, 100, 130])
def test_above_a_soft_limit_all_is_overage(convoy: Convoy, used_before: int) -> None:
    """As it is one by one."""
    give(soft=True, warn_at=[])
    if used_before:
        usage.record(a_use("before", used_before), principal=APP, now=T0)

    told = together(convoy, *uses(convoy, a_use("a", 2), a_use("b", 3)))

    assert [gone and gone.overage for gone in told] == ([2, 3] if used_before else [0, 0])
    assert dict(UsageEvent.objects.filter(event_id__in="ab").values_list("event_id", "overage")) == (
        {"a": 2, "b": 3} if used_before else {"a": 0, "b": 0}
    )
    assert counted() == used_before + 5


def test_who_is_known_by_older_facts_is_left_alone(convoy: Convoy) -> None:
    """What he was granted has changed since: the statement looks at the version itself."""
    give()
    old = facts.read("ann")
    with transaction.atomic():
        Entitlement.objects.filter(user_id="ann").update(ends_at=T0 + DAY)

    told = together(
        convoy, lambda: ride(convoy, a_use("a"), known=old), lambda: ride(convoy, a_use("b"), known=facts.read("ann"))
    )

    assert [bool(gone) for gone in told] == [False, True]
    assert counted() == 1


def test_a_statement_that_fails_is_nobodys_answer(convoy: Convoy) -> None:
    """Its connection is gone: each asks for himself, and the next group has a new one."""
    give()
    assert ride(convoy, a_use("first"))
    own = convoy.prepared._own
    assert own
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [own.info.backend_pid])

    assert together(convoy, *uses(convoy, a_use("a"), a_use("b"))) == [None, None]
    assert counted() == 1
    assert all(together(convoy, *uses(convoy, a_use("a"), a_use("b"))))
    assert counted() == 3


def test_a_counter_that_somebody_holds_holds_nobody_for_long(convoy: Convoy) -> None:
    give()
    assert ride(convoy, a_use("first"))
    url = connection.get_connection_params()
    plain = {name: url[name] for name in ("dbname", "user", "password", "host", "port") if name in url}

    with psycopg.connect(**plain) as other:
        other.execute("SELECT FROM entitlements_usagecounter FOR UPDATE")
        assert together(convoy, *uses(convoy, a_use("a"), a_use("b"))) == [None, None]

    assert all(together(convoy, *uses(convoy, a_use("a"), a_use("b"))))


def test_an_answer_that_was_lost_is_told_by_the_id(convoy: Convoy) -> None:
    """What was counted without its caller hearing of it is not counted again."""
    give()
    gone = ride(convoy, a_use("e", 7))

    row, replayed = usage.record(a_use("e", 7), principal=APP, now=T0)

    assert gone
    assert (row.pk, replayed) == (gone.item.id, True)
    assert counted() == 7


def test_groups_of_several_processes_never_pass_a_limit(convoy: Convoy) -> None:
    """Each process has its own convoy; the counter's lock and condition are the database's."""
    give(limit=40, warn_at=[])
    known, other = facts.read("ann"), Convoy()
    gate, told = threading.Barrier(32), []

    def one(number: int) -> None:
        gate.wait()
        for turn in range(4):
            mine = a_use(f"e-{number}-{turn}")
            told.append(ride((convoy, other)[number % 2], mine, known=known))

    threads = [threading.Thread(target=one, args=(number,)) for number in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.prepared.close()

    good = [gone.item.id for gone in told if gone]
    assert len(told) == 128
    assert counted() == len(good) <= 40
    assert set(good) == set(UsageEvent.objects.values_list("id", flat=True))


def test_strange_letters_arrive_as_they_are(convoy: Convoy) -> None:
    names = ['"', "\\", "{,}", "NULL", "null", " ", "a\nb", "\x01", "\\\\\"'", "家"]
    give()

    told = together(convoy, *uses(convoy, *(a_use(name) for name in names)))

    assert all(told)
    assert sorted(UsageEvent.objects.values_list("event_id", flat=True)) == sorted(names)
