"""Services come in by keys: shown once, kept as a hash, within their scopes, until they end."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from events import clock
from events.models import Event
from keys import ring as rings
from keys import secrets, service_keys
from keys.errors import KeyNotFound, LifeNotGood, NameNotGood, ScopeUnknown, TooManyLive
from keys.models import ServiceKey
from keys.ring import Ring, ring
from tests.shown import Shown
from tests.staff import log_in

CHECK = "/api/v1/entitlements/check?user_id=anna&feature_code=export"
EVENTS = "/api/v1/events"
PAYMENTS = "/api/v1/users/anna/payments"
QUOTES = "/api/v1/plans"


@pytest.fixture(autouse=True)
def _forgetful() -> Iterator[None]:
    ring.forget()
    yield
    ring.forget()
    ring._held = {}


def a_key(name: str = "till", *scopes: str, days: int = 30, at: datetime | None = None) -> secrets.Secret:
    return service_keys.create(name, scopes or ("check",), days=days, at=at or clock.now())[1]


def ask(secret: secrets.Secret, path: str = CHECK) -> int:
    return Client().get(path, headers={"Authorization": f"Bearer {secret.text}"}).status_code


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("scope", "open_paths"),
    [
        ("check", {CHECK, QUOTES}),
        ("usage:write", {QUOTES}),
        ("events:read", {EVENTS, QUOTES}),
        ("admin", {CHECK, EVENTS, PAYMENTS, QUOTES}),
    ],
)
def test_a_key_opens_what_its_scope_names(scope: str, open_paths: set[str]) -> None:
    """API5:2023."""
    key = a_key("till", scope)

    answers = {path: ask(key, path) for path in (CHECK, EVENTS, PAYMENTS, QUOTES)}

    assert {path for path, status in answers.items() if status == 200} == open_paths
    assert {status for path, status in answers.items() if path not in open_paths} <= {403}


@pytest.mark.django_db
def test_the_scope_admin_is_not_the_role_admin() -> None:
    key = a_key("till", "admin")

    answer = Client().delete("/api/v1/pricing-zones/IN", headers={"Authorization": f"Bearer {key.text}"})

    assert answer.status_code == 403


@pytest.mark.django_db
def test_nothing_that_is_kept_opens_the_door(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    """ASVS 11.4: the table and the history hold a hash and a prefix."""
    key = a_key()
    bare = key.text.rpartition("_")[2]

    with connection.cursor() as cursor:
        cursor.execute("SELECT string_agg(t::text, ' ') FROM (SELECT k::text t FROM keys_servicekey k) x")
        kept = cursor.fetchone()[0]
        cursor.execute("SELECT string_agg(e::text, ' ') FROM events_event e")
        told = cursor.fetchone()[0]

    assert key.prefix in kept
    assert key.prefix in told
    assert bare not in kept + told
    assert bare not in repr(key)


@pytest.mark.django_db
def test_a_wrong_secret_of_a_known_prefix_is_401() -> None:
    key = a_key()
    wrong = secrets.Secret(key.prefix, f"{key.text[:-1]}{'0' if key.text[-1] != '0' else '1'}")

    assert ask(key) == 200
    assert ask(wrong) == 401


@pytest.mark.django_db
def test_unknown_keys_ask_one_query_in_five_seconds_however_many(shown: Shown) -> None:
    """API4:2023: rubbish does not reach the database."""
    fresh = Ring()
    fresh.find(secrets.new(), now=0)
    queries: list[str] = []

    def count(run: object, sql: str, *rest: object) -> object:
        queries.append(sql)
        return run(sql, *rest)  # type: ignore[operator]

    with connection.execute_wrapper(count):
        found = [fresh.find(secrets.new(), now=number / 1000) for number in range(10_000)]

    assert found == [None] * 10_000
    # The database's clock, and the live keys.
    assert len(queries) == 2
    shown(f"10000 invented service keys in 10 s: 0 let in, {len(queries)} queries")


@pytest.mark.django_db
def test_a_known_key_asks_no_query_and_notes_its_use_once_an_hour() -> None:
    key = a_key()
    fresh = Ring()
    held = fresh.find(key, now=0)
    assert held
    fresh.note_use(key, held, now=0)
    first = ServiceKey.objects.get().last_used_at
    assert first

    with connection.execute_wrapper(lambda *_: pytest.fail("a query")):
        for second in range(1, 29):
            again = fresh.find(key, now=second)
            assert again
            fresh.note_use(key, again, now=second)

    assert ServiceKey.objects.get().last_used_at == first


@pytest.mark.django_db
def test_a_revoked_key_is_refused_within_sixty_seconds() -> None:
    key = a_key()
    fresh = Ring()
    assert fresh.find(key, now=0)

    service_keys.revoke(key.prefix, why="leaked", at=clock.now())

    assert fresh.find(key, now=rings.REREAD_SECONDS + 1) is None
    assert rings.REREAD_SECONDS + 1 < 60


@pytest.mark.django_db
def test_a_key_ends_on_time_also_in_memory() -> None:
    at = clock.now()
    key = a_key(days=1, at=at - timedelta(days=1) + timedelta(seconds=10))
    fresh = Ring()

    assert fresh.find(key, now=0)
    assert fresh.find(key, now=11) is None


@pytest.mark.django_db
def test_two_keys_of_a_service_live_side_by_side_and_no_third() -> None:
    """Rotation: make the second, bring it out, revoke the first."""
    first, second = a_key(), a_key()
    with pytest.raises(TooManyLive, match=first.prefix):
        a_key()
    assert [ask(first), ask(second)] == [200, 200]

    service_keys.revoke(first.prefix, why="rotated", at=clock.now())
    ring.forget()

    assert [ask(first), ask(second), ask(a_key())] == [401, 200, 401]
    ring.forget()
    assert ServiceKey.objects.filter(revoked_at=None).count() == 2


def test_two_at_once_cannot_make_a_third_key(books: None) -> None:
    a_key()
    outcomes: list[str] = []
    barrier = threading.Barrier(4)

    def make() -> None:
        barrier.wait()
        try:
            a_key()
            outcomes.append("made")
        except TooManyLive:
            outcomes.append("refused")
        finally:
            connections.close_all()

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["made", "refused", "refused", "refused"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("name", "scopes", "days", "error"),
    [
        ("Till", ("check",), 1, NameNotGood),
        ("till:1", ("check",), 1, NameNotGood),
        ("", ("check",), 1, NameNotGood),
        ("x" * 64, ("check",), 1, NameNotGood),
        ("till", ("root",), 1, ScopeUnknown),
        ("till", (), 1, ScopeUnknown),
        ("till", ("check",), 0, LifeNotGood),
        ("till", ("check",), 367, LifeNotGood),
    ],
)
def test_a_key_that_should_not_be_is_not_made(
    name: str, scopes: tuple[str, ...], days: int, error: type[Exception]
) -> None:
    with pytest.raises(error):
        service_keys.create(name, scopes, days=days, at=datetime(2026, 1, 1, tzinfo=UTC))

    assert not ServiceKey.objects.exists()


@pytest.mark.django_db
def test_history_says_who_made_and_revoked_a_key_and_why() -> None:
    out = io.StringIO()
    call_command("service_key", "create", "--name", "till", "--scope", "check", stdout=out, stderr=io.StringIO())
    prefix = out.getvalue().split("_")[1]
    call_command("service_key", "revoke", prefix, "--why", "leaked", stdout=io.StringIO())

    created, revoked = Event.objects.filter(subject="service:till").order_by("sequence")
    listed = io.StringIO()
    call_command("service_key", "list", stdout=listed)

    assert (created.type, revoked.type) == ("service_key.created", "service_key.revoked")
    assert created.actor.startswith("operator:")
    assert created.data["scopes"] == ["check"]
    assert revoked.data == {"prefix": prefix, "why": "leaked"}
    assert f"{prefix}  revoked" in listed.getvalue()


@pytest.mark.django_db
def test_a_key_is_revoked_once() -> None:
    key = a_key()
    service_keys.revoke(key.prefix, why="leaked", at=clock.now())

    with pytest.raises(KeyNotFound):
        service_keys.revoke(key.prefix, why="again", at=clock.now())
    with pytest.raises(CommandError, match="no live key"):
        call_command("service_key", "revoke", key.prefix, "--why", "again")


@pytest.mark.django_db
def test_staff_see_keys_without_their_hash_and_revoke_them() -> None:
    """AD-01."""
    key = a_key()
    row = ServiceKey.objects.get()
    staff = log_in(Client(), User.objects.create_superuser("root"))

    pages = [staff.get(f"/admin/keys/servicekey/{end}") for end in ("", f"{row.pk}/change/")]
    chosen = {"action": "revoke", "_selected_action": [str(row.pk)]}
    silent = staff.post("/admin/keys/servicekey/", chosen, follow=True).content.decode()
    staff.post("/admin/keys/servicekey/", {**chosen, "why": "it leaked"})

    assert [page.status_code for page in pages] == [200, 200]
    assert all(row.digest.hex().encode() not in page.content for page in pages)
    assert all(b"igest" not in page.content for page in pages)
    assert "Nothing was revoked: say why" in silent
    told = Event.objects.get(type="service_key.revoked")
    assert (told.actor, told.data["why"]) == ("staff:root", "it leaked")
    ring.forget()
    assert ask(key) == 401
