"""Who is writing while a moment is recalled is waited for; the twins do not wait, and answer twice differently."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest
from django.db import connection, transaction

from entitlements import grants, recall, receipts
from entitlements.grants import Source
from entitlements.models import SourceType, UsageCounter, UsageEvent
from entitlements.pools import ALWAYS, Key
from events import clock, history
from pricing.models import Plan
from tests.entitlements.conftest import DAY
from tests.entitlements.test_races import PATIENCE_SECONDS, wait_until_blocked

pytestmark = pytest.mark.usefixtures("books")


def twice(write: Callable[[], object], ask: Callable[[datetime], object], *, waits: bool) -> tuple[object, object]:
    """Ask of a moment within an open transaction, once while it is open and once after it: what was answered."""
    written, asked = threading.Event(), threading.Event()
    backend: list[int] = []

    def writing() -> None:
        try:
            with transaction.atomic():
                write()
                written.set()
                assert asked.wait(PATIENCE_SECONDS)
        finally:
            connection.close()

    def asking() -> object:
        try:
            assert written.wait(PATIENCE_SECONDS)
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                backend.append(cursor.fetchone()[0])
            return ask(moment)
        finally:
            asked.set()
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(writing)
        assert written.wait(PATIENCE_SECONDS)
        moment = clock.now()
        second = pool.submit(asking)
        if waits:
            wait_until_blocked(backend, asked)
            asked.set()
        first.result()
        found = second.result()
    return found, ask(moment)


def grant() -> None:
    version = Plan.objects.get(id="premium-plan").current
    assert version
    at = clock.now()
    grants.grant(
        "ann", version, source=Source(SourceType.MANUAL, "gift-1"), starts_at=at - DAY, ends_at=at + DAY, at=at
    )


def known(at: datetime) -> int:
    return len(recall.read_many(["ann"], at=at)["ann"].grants)


def use() -> None:
    """Be the first who uses it, so that the counter is made too."""
    counter = UsageCounter.objects.create(subject="user:ann", feature_id="api_calls", period_start=ALWAYS, used=3)
    at = clock.now()
    said = {"principal": "", "event_id": "1", "request_hash": "", "at": at, "recorded_at": at}
    UsageEvent.objects.create(user_id="ann", feature_id="api_calls", units=3, counters=[counter.pk], shares=[3], **said)


def used(at: datetime) -> int:
    key = Key("user:ann", "api_calls", None, "", ALWAYS)
    return sum(tally.used for tally in receipts.counting(at=at)([key]).values())


def test_a_grant_that_is_being_written_is_waited_for() -> None:
    first, second = twice(grant, known, waits=True)

    assert first == second != 0


def test_twin_without_waiting_a_moment_has_two_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "settle", lambda _: None)

    first, second = twice(grant, known, waits=False)

    assert first != second


def test_a_use_that_is_being_recorded_is_waited_for_though_it_makes_its_counter() -> None:
    assert twice(use, used, waits=True) == (3, 3)


def test_twin_without_waiting_a_use_comes_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receipts, "MAKE", "SELECT 1")
    monkeypatch.setattr(receipts, "WAIT", "SELECT 1")

    assert twice(use, used, waits=False) == (0, 3)
