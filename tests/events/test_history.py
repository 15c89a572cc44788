"""One history: written with the change, numbered without gaps, never changed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.db import DatabaseError, connection, transaction

from events import clock, context, history, sealing
from events.models import Event
from tests.api import api
from tests.events.story import verify, write


def test_history_outside_a_transaction_is_refused(books: None) -> None:
    """A change and its history stand or fall together."""
    with pytest.raises(RuntimeError, match="inside the transaction"):
        history.record("x", subject="user:anna", object="thing:1", at=clock.now())


def test_sequences_have_no_gaps_under_sixteen_threads(books: None) -> None:
    """Q of 000 on ordering: consumers may rely on 1, 2, 3 within a subject."""

    def one(_: int) -> None:
        write()
        connection.close()

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(one, range(64)))

    assert sorted(Event.objects.values_list("sequence", flat=True)) == list(range(1, 65))


def test_the_chain_holds_when_many_write_and_seal_at_once(books: None, seals: Path) -> None:
    def one(number: int) -> None:
        write(f"user:{number % 3}")
        if number % 5 == 0:
            sealing.seal_all()
        connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(60)))
    sealing.seal_all()

    assert sum(said.count for said in sealing.statements()) == 60
    assert verify() == ""


@pytest.mark.django_db
@pytest.mark.parametrize("change", ["UPDATE events_event SET type = 'other'", "DELETE FROM events_event"])
def test_history_is_only_appended_to(change: str) -> None:
    """AU-01: from psql too."""
    write()

    with pytest.raises(DatabaseError, match="only ever appended"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(change)


@pytest.mark.django_db
def test_history_says_who_did_it() -> None:
    """AU-02: actor and request."""
    with context.acting("staff:root"):
        event = write()

    assert event.actor == "staff:root"
    assert write().actor == "system"


@pytest.mark.django_db
def test_staff_read_history_by_subject_object_and_type() -> None:
    """AD-01: newest first, a page at a time."""
    for number in range(5):
        write(type=f"thing.{number}")
    write(subject="user:ben")

    first = api("root", "support").get("/api/v1/events", {"subject": "user:anna", "limit": 2}).json()
    rest = api("root", "support").get(
        "/api/v1/events", {"subject": "user:anna", "limit": 10, "starting_after": first["next_cursor"]}
    )

    assert [event["sequence"] for event in first["data"]] == [5, 4]
    assert first["has_more"]
    assert [event["sequence"] for event in rest.json()["data"]] == [3, 2, 1]
    assert not rest.json()["has_more"]


@pytest.mark.django_db
def test_support_reads_history_without_ids_of_stripe_and_words_about_a_person() -> None:
    """API3:2023: masked as everything else that support reads; in full for admins and services."""
    said = {
        "status": "in_progress",
        "stripe_id": "pi_3QxYzAbCdEfGh1234",
        "plan_id": "premium-plan",
        "failure_reason": "Anna Example's card is stolen",
        "said": "asked about cs_test_a1B2c3D4e5F6g7H8",
        "source": {"type": "subscription", "id": "sub_1QxYzAbCdEfGh9876", "lines": ["ii_1QxYzAbCdEfGh5555", 7]},
    }
    write(**said)

    shown = {
        role: api("root", role).get("/api/v1/events", {"subject": "user:anna"}).json()["data"][0]
        for role in ("support", "admin", "service")
    }

    assert shown["admin"] == shown["service"]
    assert shown["admin"]["data"] == {"amount": 1, **said}
    assert shown["support"]["data"] == {
        "amount": 1,
        "status": "in_progress",
        "stripe_id": "pi_***1234",
        "plan_id": "premium-plan",
        "failure_reason": "***",
        "said": "asked about cs_test_***g7H8",
        "source": {"type": "subscription", "id": "sub_***9876", "lines": ["ii_***5555", 7]},
    }
