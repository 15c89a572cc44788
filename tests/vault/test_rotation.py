"""Keys change while the system works, whatever is killed meanwhile."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from billing.models import Customer, WebhookEvent
from tests.shown import Shown
from vault import keyring, rotation

pytestmark = pytest.mark.usefixtures("books")
ROOT = Path(__file__).parents[2]
OLD, NEW = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"
ROWS, KILLS = 10_000, 3
THEN = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def old_key(settings: LazySettings) -> None:
    settings.ENCRYPTION_KEYS, settings.ENCRYPTION_KEY = "", OLD


def an_event(number: int) -> WebhookEvent:
    return WebhookEvent(
        stripe_id=f"evt_{number}",
        type="charge.succeeded",
        livemode=False,
        body=f'{{"number": {number}}}',
        happened_at=THEN,
        status=WebhookEvent.Status.IGNORED,
        status_at=THEN,
        due_at=THEN,
    )


def some_events(count: int, first: int = 0) -> None:
    WebhookEvent.objects.bulk_create([an_event(number) for number in range(first, first + count)], batch_size=1000)


def readable() -> int:
    rows = WebhookEvent.objects.all().iterator(chunk_size=2000)
    return sum(event.body == f'{{"number": {event.stripe_id.removeprefix("evt_")}}}' for event in rows)


def rotating() -> subprocess.Popen[bytes]:
    """Start the command as a process of its own on the test's database."""
    known = connection.settings_dict
    url = f"postgres://{known['USER']}:{known['PASSWORD']}@{known['HOST']}:{known['PORT']}/{known['NAME']}"
    env = os.environ | {"DATABASE_URL": url, "ENCRYPTION_KEYS": f"2027:{NEW}", "ENCRYPTION_KEY": OLD}
    words = [sys.executable, "manage.py", "rotate_keys", "--batch", "50"]
    return subprocess.Popen(words, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def let_others_work() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(0.05)")


def use(stop: threading.Event, counts: dict[str, int]) -> None:
    """Read and write as the working system does, at most fifty times a second: each write seals a row anew too."""
    chance, number = random.Random(1), ROWS
    try:
        while not stop.wait(0.02):
            event = WebhookEvent.objects.get(stripe_id=f"evt_{chance.randrange(ROWS)}")
            counts["wrong"] += event.body != f'{{"number": {event.stripe_id.removeprefix("evt_")}}}'
            event.save(update_fields=["body"])
            an_event(number).save(force_insert=True)
            number += 1
            counts["used"] += 1
    finally:
        connection.close()


@pytest.mark.slow
def test_10_000_rows_are_rotated_under_load_and_kills(settings: LazySettings, shown: Shown) -> None:
    """Each kill comes in the midst of the work; the next run goes on from there; nobody reads a wrong value."""
    some_events(ROWS)
    settings.ENCRYPTION_KEYS = f"2027:{NEW}"
    stop, counts = threading.Event(), {"wrong": 0, "used": 0}
    user = threading.Thread(target=use, args=(stop, counts))
    user.start()

    try:
        for kill in range(KILLS):
            aim = rotation.to_do(WebhookEvent) - ROWS // (KILLS + 2)
            process = rotating()
            while rotation.to_do(WebhookEvent) > aim and process.poll() is None:
                let_others_work()
            assert process.poll() is None, process.communicate()[1]
            process.kill()
            process.communicate()
            assert 0 < rotation.to_do(WebhookEvent) < ROWS, kill
        last = rotating()
        complaint = last.communicate()[1]
    finally:
        stop.set()
        user.join()

    assert last.returncode == 0, complaint
    assert rotation.to_do(WebhookEvent) == 0
    settings.ENCRYPTION_KEY = ""
    total = WebhookEvent.objects.count()
    assert counts["wrong"] == 0
    assert readable() == total == ROWS + counts["used"]
    shown(
        f"{ROWS} sealed rows rotated, {KILLS} runs killed, {counts['used']} reads, writes and new rows meanwhile: "
        f"{total} of {total} readable with the new key alone"
    )


def test_a_rotation_may_be_repeated_and_changes_nothing_then(settings: LazySettings) -> None:
    some_events(25)
    settings.ENCRYPTION_KEYS = f"2027:{NEW}"

    first, second = (rotation.rotate(WebhookEvent, batch=10) for _ in range(2))

    assert (first.rotated, second.rotated, first.left, second.left) == (25, 0, 0, 0)
    assert readable() == 25


def test_a_blind_index_is_rotated_with_its_value(settings: LazySettings) -> None:
    customer = Customer.objects.create(user_id="anna", email="anna@example.com")
    settings.ENCRYPTION_KEYS = f"2027:{NEW}"
    before = customer.email_index

    rotation.rotate(Customer)

    customer.refresh_from_db()
    index = Customer._meta.get_field("email_index")
    assert customer.email_index != before
    assert customer.email_index == index.possible("anna@example.com")[0]  # type: ignore[union-attr]


def test_a_row_in_use_is_passed_over_and_left_for_the_next_run(settings: LazySettings) -> None:
    """Nobody waits for a rotation, and a rotation waits for nobody."""
    some_events(3)
    settings.ENCRYPTION_KEYS = f"2027:{NEW}"
    reports: list[rotation.Report] = []

    def rotate_elsewhere() -> None:
        reports.append(rotation.rotate(WebhookEvent))
        connection.close()

    with transaction.atomic():
        WebhookEvent.objects.select_for_update().get(stripe_id="evt_1")
        other = threading.Thread(target=rotate_elsewhere)
        other.start()
        other.join()

    assert (reports[0].rotated, reports[0].left) == (2, 1)
    assert rotation.rotate(WebhookEvent).rotated == 1


def test_a_row_that_cannot_be_read_is_named_and_keeps_the_command_from_saying_done(
    settings: LazySettings, capsys: pytest.CaptureFixture[str]
) -> None:
    """Or somebody would throw the older key away."""
    some_events(3)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE billing_webhookevent SET body = left(body, -4) || 'AAA=' WHERE stripe_id = 'evt_1'")
    settings.ENCRYPTION_KEYS = f"2027:{NEW}"

    with pytest.raises(CommandError, match="keep the older"):
        call_command("rotate_keys")

    said = capsys.readouterr().out
    assert "billing_webhookevent.body of evt_1" in said
    assert "2 rows rotated, 0 locked, 1 not readable" in said


def test_what_an_older_release_wrote_in_plain_is_sealed_on_request() -> None:
    some_events(120)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE billing_webhookevent SET body = '{\"number\": ' || substr(stripe_id, 5) || '}'")

    sealed = rotation.seal_plain(WebhookEvent, batch=50)

    assert sealed == 120
    assert readable() == 120
    assert rotation.seal_plain(WebhookEvent) == 0


def test_every_model_with_a_sealed_column_is_rotated() -> None:
    assert {model.__name__ for model in rotation.sealed_models()} >= {"Customer", "WebhookEvent"}
    assert keyring.newest().id != "2027"
