"""What is known of a user is read by one prepared question outside transactions: the same facts, and the time."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import DataError, connection, transaction

from config.postgres.base import stands
from entitlements import awards, facts, families, fetching, grants, packing
from entitlements.awards import Gift
from entitlements.grants import Source
from entitlements.models import Override, SourceType
from events import clock
from events.ids import uuid7
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
