"""What is kept near never answers otherwise than Postgres would: not after a commit, not without Valkey."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta

import pytest
import redis
from django.conf import LazySettings
from django.conf import settings as ours
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from entitlements import facts, families, gauges, grants, lifetimes, shelf, snapshot
from entitlements.plain import Plain
from entitlements.shapes import table
from events import clock
from pricing.models import Feature
from tests.api import api
from tests.entitlements.nearby import GIFT, NOWHERE, a_line, give, may, pro, revoke, same, silence, wait_until
from tests.entitlements.test_families import NO_KEY, join


@pytest.fixture(autouse=True)
def listening(books: None) -> Iterator[None]:
    with a_line():
        yield


def valkey() -> redis.Redis:
    return redis.Redis.from_url(ours.REDIS_URL)


def test_what_was_asked_once_is_known_without_asking_again() -> None:
    give()
    snapshot.current("ann")

    with CaptureQueriesContext(connection) as queries:
        known = snapshot.current("ann")

    assert known is snapshot.peek("ann")
    assert same(known, facts.read("ann"))
    assert not queries.captured_queries


def test_another_process_finds_in_valkey_what_a_commit_wrote() -> None:
    """EN-07, EN-09: access after a payment is there before anybody asks for it."""
    give()
    snapshot.current("ben")
    # As a process that has seen nothing of it yet.
    snapshot.forget()

    with CaptureQueriesContext(connection) as queries:
        known = snapshot.current("ann")

    assert not queries.captured_queries
    assert same(known, facts.read("ann"))


def test_a_change_counts_from_its_commit_on() -> None:
    give()
    assert may()

    revoke()

    assert not may()


def test_what_was_rolled_back_is_told_to_nobody() -> None:
    give()
    assert may()

    with transaction.atomic():
        inner = transaction.atomic()
        inner.__enter__()
        grants.revoke(GIFT, reason="refund", at=clock.now())
        transaction.set_rollback(True)
        inner.__exit__(None, None, None)

    assert may()
    assert snapshot.peek("ann")


def test_inside_a_transaction_everybody_sees_what_he_wrote() -> None:
    give()
    assert may()

    with transaction.atomic():
        grants.revoke(GIFT, reason="refund", at=clock.now())
        inside = may()
        transaction.set_rollback(True)

    assert (inside, may()) == (False, True)


def test_a_change_of_the_catalog_counts_for_everybody() -> None:
    give()
    assert may()

    try:
        Feature.objects.filter(code="export").update(archived_at=clock.now())
        assert not may()
    finally:
        Feature.objects.filter(code="export").update(archived_at=None)


def test_many_are_answered_with_one_query_and_one_trip() -> None:
    for user_id in ("ann", "ben", "cleo"):
        give(user_id)
    snapshot.current("ann")
    for key in valkey().keys(f"{ours.APP_NAME}:facts:cleo"):
        valkey().delete(key)
    snapshot.memory.clear()
    snapshot.current("ann")

    with CaptureQueriesContext(connection) as queries:
        known = snapshot.current_many(["ann", "ben", "cleo", "dora", "ann"])

    assert [sum("JOIN LATERAL" in query["sql"] for query in queries), list(known)] == [
        1,
        ["ann", "ben", "cleo", "dora"],
    ]
    assert all(same(each, facts.read(user_id)) for user_id, each in known.items())
    assert set(snapshot.current_many(known)) == set(known)
    assert all(snapshot.peek(user_id) for user_id in known)


@pytest.mark.parametrize("how", ["flushed", "stopped", "slow"])
def test_a_valkey_that_fails_changes_no_answer(how: str, settings: LazySettings) -> None:
    """It costs latency alone: what was kept is lost, and Postgres answers."""
    give()
    assert may()
    with ExitStack() as stack:
        if how == "flushed":
            valkey().delete(*valkey().keys(f"{ours.APP_NAME}:*"))
        else:
            snapshot.line.close()
            settings.REDIS_URL = NOWHERE if how == "stopped" else stack.enter_context(silence())
            snapshot.line.open()

        before = may()
        revoke()
        after = may()
        give("ben")

        assert (before, after, may("ben"), may("cleo")) == (True, False, True, False)
        snapshot.line.close()


def test_without_a_line_memory_is_not_believed() -> None:
    give()
    assert may()
    assert snapshot.peek("ann")

    snapshot.line.close()

    assert snapshot.peek("ann") is None
    snapshot.line.open()
    wait_until(snapshot.line.is_up)
    assert snapshot.peek("ann") is None
    assert may()
    assert snapshot.peek("ann")


def test_a_line_that_valkey_cuts_stands_again_and_nothing_old_is_left() -> None:
    give()
    assert may()
    known = snapshot.peek("ann")

    for client in valkey().client_list(_type="pubsub"):
        if client["db"] == str(valkey().connection_pool.connection_kwargs["db"]):
            valkey().client_kill(client["addr"])
    wait_until(lambda: snapshot.peek("ann") is None)

    wait_until(snapshot.line.is_up)
    assert may()
    assert snapshot.peek("ann") is not known


def test_nothing_is_kept_past_its_next_date() -> None:
    give(days=0)
    now = clock.now()
    with transaction.atomic():
        grants.grant("ben", pro(), source=GIFT, starts_at=now, ends_at=now + timedelta(seconds=20), at=now)

    snapshot.current("ben")

    left = valkey().pttl(f"{ours.APP_NAME}:facts:ben") / 1000 - shelf.LINGER_SECONDS
    assert 0 < left <= 20 < lifetimes.LONGEST_SECONDS * (1 - lifetimes.JITTER)


def test_a_refusal_is_kept_for_five_seconds_at_most() -> None:
    snapshot.current("nobody")
    wait_until(lambda: snapshot.shelving.is_over)

    left = valkey().pttl(f"{ours.APP_NAME}:facts:nobody") / 1000 - shelf.LINGER_SECONDS
    assert 0 < left <= lifetimes.OF_REFUSALS_SECONDS


def test_what_was_kept_counts_for_thirty_seconds_at_most() -> None:
    give()
    snapshot.current("ann")

    left = valkey().pttl(f"{ours.APP_NAME}:facts:ann") / 1000 - shelf.LINGER_SECONDS
    assert 20 < left <= lifetimes.LONGEST_SECONDS


def test_what_was_read_before_a_change_is_not_remembered_after_it() -> None:
    """The fill race: a reader is slow, and a change is announced between its read and its writing."""
    give()
    snapshot.forget()
    old = facts.read("ann")
    flight, is_mine = snapshot.flights.join("ann")
    revoke()

    change = snapshot.change_of(old)
    refused = gauges.STALE_AVOIDED._value.get()
    kept = shelf.here().keep(change)
    snapshot._remember(old, change.packet, float("inf"), flight, is_mine)
    snapshot.flights.land("ann", flight, old)

    assert not kept
    assert gauges.STALE_AVOIDED._value.get() == refused + 1
    assert snapshot.peek("ann") is None
    assert not may()


def test_what_valkey_said_before_a_change_is_not_believed_after_it() -> None:
    """The same of a packet that is read at sight: it is neither told nor remembered."""
    give()
    snapshot.current("ben")
    snapshot.forget()
    flight, _is_mine = snapshot.flights.join("ann")
    old = shelf.here().find("ann")
    assert old

    before = snapshot._seen("ann", old, flight)
    snapshot.memory.clear()
    revoke()
    after = snapshot._seen("ann", old, flight)
    snapshot.flights.land("ann", flight, None)

    assert isinstance(before, Plain)
    assert (after, snapshot.peek("ann")) == (None, None)
    assert not may()


def test_what_may_be_older_than_what_was_told_is_not_remembered() -> None:
    """The line was lost while it was asked for."""
    give()
    snapshot.current("ben")
    snapshot.memory.clear()
    flight, _is_mine = snapshot.flights.join("ann")
    old = shelf.here().find("ann")
    assert old
    snapshot.forget()

    assert snapshot._seen("ann", old, flight)
    snapshot.flights.land("ann", flight, None)

    assert snapshot.peek("ann") is None


def test_who_waits_for_anothers_fetch_gets_the_same() -> None:
    give()
    snapshot.current("ben")
    snapshot.memory.clear()
    flight, _is_mine = snapshot.flights.join("ann")
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(snapshot.far, "ann")
        wait_until(lambda: flight._flying is not None)
        found = shelf.here().find("ann")
        assert found
        seen = snapshot._seen("ann", found, flight)
        snapshot.flights.land("ann", flight, seen)

    assert seen is not None
    assert other.result() is seen
    assert same(seen.facts(0), facts.read("ann"))


def test_of_a_shape_that_nobody_here_has_seen_valkey_is_asked() -> None:
    # Valkey was emptied by another test: in production it has the shape again within SHAPE_AGAIN_SECONDS.
    shelf.here()._put_at.clear()
    give()
    snapshot.current("ben")
    snapshot.memory.clear()
    table._known.clear()

    with CaptureQueriesContext(connection) as queries:
        known = snapshot.current("ann")

    assert not queries.captured_queries
    assert same(known, facts.read("ann"))


def test_the_check_by_http_is_as_fresh(settings: LazySettings) -> None:
    """EN-08: near first, then Postgres; and what changed is seen by the next request."""
    give()
    url = "/api/v1/entitlements/check?feature_code=export"

    said = [api("ann").get(url).json()["allowed"] for _each in range(2)]
    revoke()
    said.append(api("ann").get(url).json()["allowed"])

    assert said == [True, True, False]


def test_where_an_answer_was_found_is_counted() -> None:
    """OB-03: hits by place, and misses."""
    give()
    snapshot.current("ben")
    snapshot.forget()

    def counted() -> list[float]:
        return [gauges.HITS_MEMORY.count, gauges.HITS_VALKEY.count, gauges.MISSES._value.get()]

    told = []
    for user_id in ("ann", "ann", "nobody"):
        before = counted()
        snapshot.current(user_id)
        told.append([after - was for after, was in zip(counted(), before, strict=True)])

    assert told == [[0, 1, 0], [1, 0, 0], [0, 0, 1]]


def test_who_is_taken_out_of_a_family_has_nothing_near_from_the_commit_on() -> None:
    at = clock.now()
    with transaction.atomic():
        grants.grant("olga", pro("family-yearly"), source=GIFT, starts_at=at, ends_at=None, at=at)
    family, _ = families.create("olga", name="", asking=NO_KEY, at=at)
    join(family, "ann", at=at)
    assert may("ann")

    families.remove(family, "ann", at=clock.now())

    assert not may("ann")
    snapshot.forget()
    assert not may("ann")
    families.close(family, at=clock.now())
