"""What is known of a user is read by one prepared question outside transactions: the same facts, and the time."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import DataError, connection, transaction

from config.postgres.base import stands
from entitlements import facts, fetching, grants, packing
from entitlements.grants import Source
from entitlements.models import SourceType
from events import clock
from tests.entitlements.conftest import a_version


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
