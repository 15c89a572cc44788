"""Two at once: countries, and the first sale of a version while what it includes changes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction

from pricing import plans, zones
from pricing.models import Country, PlanFeature, PlanVersion

NOWHERE = zones.CountryRow("QM", "Nowhere", "C")


def started(work: Callable[[], object]) -> tuple[threading.Thread, list[object]]:
    """Run `work` beside the test, and keep what it returned or raised."""
    found: list[object] = []

    def run() -> None:
        try:
            found.append(work())
        except IntegrityError as error:
            found.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread, found


def wait_for_a_waiting_one() -> None:
    """Return when another connection to this database waits for a lock."""
    with connection.cursor() as cursor:
        for _ in range(20_000):
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            if cursor.fetchone()[0]:
                return
    pytest.fail("nobody waited")


@pytest.fixture
def nowhere(books: None) -> Iterator[None]:
    """Take the country out again."""
    yield
    Country.objects.filter(iso_code="QM").delete()


def upserted_twice(at: datetime) -> object:
    """Add a country, and before that is committed add it again; say how the second one fared."""
    with transaction.atomic():
        zones.upsert(NOWHERE, at=at)
        thread, found = started(lambda: zones.upsert(NOWHERE, at=at).kind)
        wait_for_a_waiting_one()
    thread.join()
    return found[0]


def test_a_second_upsert_of_a_new_country_waits_and_changes_nothing(nowhere: None, at: datetime) -> None:
    assert upserted_twice(at) == "unchanged"


def test_without_the_lock_the_second_upsert_would_fail(
    nowhere: None, at: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zones, "stand_in_line", lambda: None)

    assert isinstance(upserted_twice(at), IntegrityError)


@pytest.fixture
def version(books: None, at: datetime) -> Iterator[PlanVersion]:
    """A version that is really committed; taken out past its trigger after the test."""
    plan = plans.add(f"plan-{uuid4()}", at=at, name="A plan", active=False)
    version = plans.draft(plan, plans.Terms("one_time", 2999), at=at)
    plans.publish(version, at)
    yield version
    with unguarded():
        PlanFeature.objects.filter(version=version).delete()
        PlanVersion.objects.filter(pk=version.pk).delete()
        plan.delete()


@contextmanager
def unguarded() -> Iterator[None]:
    with connection.cursor() as cursor:
        for table in ("pricing_planversion", "pricing_planfeature"):
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        yield
        for table in ("pricing_planversion", "pricing_planfeature"):
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def included_during_the_sale(version: PlanVersion, at: datetime) -> object:
    """Sell a version, and before that is committed include one more feature; say how that fared."""
    with transaction.atomic():
        plans.mark_sold(version, at)
        thread, found = started(lambda: PlanFeature.objects.create(version_id=version.pk, feature_id="export"))
        wait_for_a_waiting_one()
    thread.join()
    return found[0]


def test_nothing_slips_into_a_version_while_it_is_being_sold(version: PlanVersion, at: datetime) -> None:
    refused = included_during_the_sale(version, at)

    assert isinstance(refused, IntegrityError)
    assert not PlanFeature.objects.filter(version=version).exists()


def test_a_version_is_sold_once_by_two_sales_at_once(version: PlanVersion, at: datetime) -> None:
    with transaction.atomic():
        first = plans.mark_sold(version, at)
        thread, found = started(lambda: plans.mark_sold(PlanVersion.objects.get(pk=version.pk), at))
        wait_for_a_waiting_one()
    thread.join()

    assert (first, found) == (True, [False])
