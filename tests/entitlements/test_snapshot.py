"""What is kept near never answers otherwise than Postgres would: not after a commit, not without Valkey."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
import redis
from django.conf import LazySettings
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from entitlements import access, facts, grants, shelf, snapshot
from entitlements.facts import Facts
from entitlements.grants import Source
from entitlements.models import SourceType
from events import clock
from pricing.models import Feature, Plan, PlanVersion
from tests.entitlements.conftest import DAY

PATIENCE_SECONDS = 20
GIFT = Source(SourceType.MANUAL, "gift-1")

pytestmark = pytest.mark.usefixtures("books", "listening")


@pytest.fixture
def listening(books: None) -> Iterator[None]:
    """Hear changes as a web process does, from a line that stands."""
    snapshot.line.open()
    wait_until(snapshot.line.is_up)
    yield
    snapshot.line.close()


@pytest.fixture
def version() -> PlanVersion:
    current = Plan.objects.get(id="pro-monthly").current
    assert current
    return current


def wait_until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def give(version: PlanVersion, user_id: str = "ann", source: Source = GIFT) -> None:
    now = clock.now()
    with transaction.atomic():
        grants.grant(user_id, version, source=source, starts_at=now, ends_at=now + 30 * DAY, at=now)


def revoke(source: Source = GIFT) -> None:
    with transaction.atomic():
        grants.revoke(source, reason="refund", at=clock.now())


def may(user_id: str = "ann") -> bool:
    return access.check(user_id, "export", at=clock.now(), known=snapshot.current(user_id)).allowed


def same(one: Facts, other: Facts) -> bool:
    return (one.version, one.family_id, one.rules) == (other.version, other.family_id, other.rules) and {
        code: set(map(repr, grants)) for code, grants in one.grants.items()
    } == {code: set(map(repr, grants)) for code, grants in other.grants.items()}


def test_what_was_asked_once_is_known_without_asking_again(version: PlanVersion) -> None:
    give(version)
    snapshot.current("ann")

    with CaptureQueriesContext(connection) as queries:
        known = snapshot.current("ann")

    assert known is snapshot.peek("ann")
    assert same(known, facts.read("ann"))
    assert not queries.captured_queries


def test_another_process_finds_in_valkey_what_a_commit_wrote(version: PlanVersion) -> None:
    """EN-07, EN-09: access after a payment is there before anybody asks for it."""
    snapshot.current("ben")
    give(version)
    # As a process that has seen nothing yet.
    snapshot.forget()

    with CaptureQueriesContext(connection) as queries:
        known = snapshot.current("ann")

    assert not queries.captured_queries
    assert same(known, facts.read("ann"))


def test_a_change_counts_from_its_commit_on(version: PlanVersion) -> None:
    give(version)
    assert may()

    revoke()

    assert not may()


def test_what_was_rolled_back_is_told_to_nobody(version: PlanVersion) -> None:
    give(version)
    assert may()

    with transaction.atomic():
        try:
            with transaction.atomic():
                grants.revoke(GIFT, reason="refund", at=clock.now())
                raise ZeroDivisionError
        except ZeroDivisionError:
            pass

    assert may()
    assert snapshot.peek("ann")


def test_inside_a_transaction_everybody_sees_what_he_wrote(version: PlanVersion) -> None:
    give(version)
    assert may()

    with transaction.atomic():
        grants.revoke(GIFT, reason="refund", at=clock.now())
        inside = may()
        transaction.set_rollback(True)

    assert (inside, may()) == (False, True)
