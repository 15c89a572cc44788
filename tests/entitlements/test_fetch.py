"""What is known of a user is read by one prepared question outside transactions: the same facts, and the time."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import DatabaseError, DataError, connection, transaction

from config.postgres.base import stands
from entitlements import awards, facts, families, fetching, grants, packing
from entitlements.awards import Gift
from entitlements.grants import Source
from entitlements.models import Override, SourceType
from events import clock
from events.ids import uuid7
from pricing.models import PlanVersion
from tests.entitlements.conftest import DAY, a_version
from tests.entitlements.nearby import pro, same
from tests.entitlements.test_families import NO_KEY, join

LISTED = {"export": {}, "storage_gb": {"limit": 5, "period": "never"}}
WARNED = {
    **{"limit": 7, "period": "month", "warn_at": [50], "rollover_max": 3},
    **{"anchor": "calendar", "time_zone": "Asia/Tokyo"},
}


@pytest.fixture
def known(books: None) -> None:
    now = clock.now()
    given = Source(SourceType.PROMOTION, "a promotion")
    version, end = a_version(), now + timedelta(days=3)
    with transaction.atomic():
        for user_id in ("ann", "jürgen \u2028 家"):
            grants.grant(user_id, version, source=given, starts_at=now, ends_at=end, at=now)


@pytest.mark.parametrize("user_id", ["ann", "jürgen \u2028 家", "nobody", "", "a'; --", "ann\x00"])
def test_it_knows_what_the_other_way_knows(known: None, user_id: str) -> None:
    if "\x00" in user_id:
        with pytest.raises(DataError, match="NUL"):
            fetching.fetch(user_id)
        return
    known_far, packet, shapes = fetching.fetch(user_id)

    assert known_far == facts.read(user_id)
    # Whichever way it came, its shapes have the same names.
    assert shapes == packing.pack(facts.read(user_id))[1]
    assert packing.unpack(user_id, packet) == known_far


def test_who_comes_at_the_same_moment_is_told_of_himself(known: None) -> None:
    """Those who wait are asked for together; one of them has nothing, and one is asked for twice."""
    names = ["ann", "nobody", "jürgen \u2028 家", "ann"]
    start = threading.Barrier(len(names) * 2)
    told: list[tuple[str, fetching.Fetched]] = []

    def come(name: str) -> None:
        start.wait()
        told.extend((name, fetching.fetch(name)) for _each in range(25))

    threads = [threading.Thread(target=come, args=(name,)) for name in names * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(told) == 25 * len(threads)
    expected = {name: facts.read(name) for name in names}
    assert all(fetched.known == expected[name] for name, fetched in told)
    assert all(packing.unpack(name, fetched.packet) == expected[name] for name, fetched in told)


def test_many_are_told_apart_in_one_question(known: None) -> None:
    names = ["nobody", "ann", "jürgen \u2028 家", "ann"]
    together = [fetching.Some([name.encode() for name in part]) for part in (names[:1], names[1:])]

    fetching.ask(together)

    rows = [each for some in together for each in some.rows]
    expected = [facts.read(name) for name in names]
    assert [fetching.packed(name, each).known for name, each in zip(names, rows, strict=True)] == expected
    assert [fetched.known for fetched in fetching.fetch_many(names)] == expected


def test_the_number_of_a_version_is_remembered_once_it_was_sold(known: None) -> None:
    """From then on the database lets nobody change it."""

    def number() -> int | None:
        return fetching.fetch("ann").known.grants["pdf"][0].version

    first = number()
    version = PlanVersion.objects.filter(plan_id="atlas")
    version.update(number=7)
    second = number()
    version.update(sold_at=clock.now())

    assert (first, second, number(), number()) == (1, 7, 7, 7)
    with pytest.raises(DatabaseError, match="sold"):
        version.update(number=8)


def test_a_connection_of_its_own_that_was_ended_is_replaced(known: None) -> None:
    asked = fetching.fetch("ann")
    own = fetching.prepared._own
    assert own is not None
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [own.info.backend_pid])

    assert [fetching.fetch("ann").known for _each in range(3)] == [asked.known] * 3
    assert fetching.prepared._own not in (None, own)


def test_it_tells_the_time_of_the_database(known: None) -> None:
    before = clock.now()
    fetching.fetch("ann")

    told = clock.peek()

    assert told is not None
    assert before <= told <= clock.now() + timedelta(seconds=1)


def test_a_connection_that_forgot_the_question_hears_it_again(known: None) -> None:
    asked = fetching.fetch("ann")
    connection.close()
    with connection.cursor() as cursor:
        cursor.execute("DEALLOCATE ALL")
    connection.close()

    assert fetching.fetch("ann") == asked


def test_a_connection_that_was_ended_is_noticed(known: None) -> None:
    """Without asking over it: the pool looks before each use."""
    asked = fetching.fetch("ann")
    connection.close()
    with connection.pool.connection() as own:  # type: ignore[attr-defined]
        stands(own)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [own.info.backend_pid])
        with pytest.raises(Exception, match="terminat"):
            stands(own)

    assert fetching.fetch("ann") == asked


def test_it_may_be_the_first_question_of_a_process(known: None) -> None:
    """Nobody has opened the pool yet."""
    asked = fetching.fetch("ann")
    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]

    assert fetching.fetch("ann") == asked


def test_it_knows_families_gifts_overrides_and_what_is_held_back(books: None) -> None:
    """All that may be known of one who has of everything something, in whichever words Postgres says it."""
    now, at = clock.now(), clock.now() - timedelta(days=3, microseconds=1)
    with transaction.atomic():
        grants.grant(
            "olga", pro("family-yearly"), source=Source(SourceType.MANUAL, "gift"), starts_at=now, ends_at=None, at=at
        )
        for place, features in enumerate((LISTED, {"pdf": {}, "help": {"value": "phone"}}, {"calls": WARNED})):
            source = Source(SourceType.PROMOTION, str(uuid7()) if place else "sub-ü")
            grants.grant("ann", a_version(features), source=source, starts_at=at, ends_at=now + DAY, at=now)
        grants.suspend(source, reason="past_due", at=now)
        grants.shorten(source, ends_at=now, grace_until=now + 2 * DAY, at=now)
    family, _ = families.create("olga", name="", asking=NO_KEY, at=now)
    join(family, "ann", at=now)
    awards.give("ann", Gift(feature_code="help", value="post", ends_at=now + DAY), reason="kind", asking=NO_KEY)
    Override.objects.create(
        user_id="ann",
        feature_id="help",
        effect="value",
        value=[1, "é"],
        reason="so",
        actor="t",
        starts_at=at,
        created_at=at,
    )

    fetched, read = fetching.fetch("ann"), facts.read("ann")

    assert same(fetched.known, read)
    assert len(read.grants["help"]) == 2
    assert {grant.family_id for grants in read.grants.values() for grant in grants} == {None, family.id}
    assert fetched.shapes == packing.pack(read)[1]
    assert same(packing.unpack("ann", packing.pack(read)[0]), read)
    families.close(family, at=clock.now())
