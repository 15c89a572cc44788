"""GET /entitlements/stream: what changed reaches who listens, over a real connection, with Valkey and without."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest
from django.conf import LazySettings
from django.db import connection
from django.test.utils import CaptureQueriesContext

from entitlements import snapshot, stream
from entitlements.grants import Source
from entitlements.models import SourceType
from entitlements.watching import Watch
from pricing.models import Feature
from tests.api import api, token
from tests.entitlements.nearby import NOWHERE, PATIENCE_SECONDS, give, revoke, wait_until
from tests.proof.serving import serving
from tests.shown import Shown

PATH = "/api/v1/entitlements/stream"


@pytest.fixture
def served(books: None, settings: LazySettings) -> Iterator[str]:
    settings.STREAM_SECONDS = 300
    with serving() as url:
        yield url
        # Or the server would wait for streams that nobody reads.
        wait_until(lambda: stream.listeners._count == 0)
    snapshot.line.close()


class Ear:
    """A client of server-sent events, as little of one as the standard allows."""

    def __init__(self, answer: http.client.HTTPResponse) -> None:
        self.answer, self.last_id = answer, ""

    def next(self) -> dict[str, Any]:
        """Return the data of the next event, whatever comes before it."""
        while True:
            block = self.block()
            self.last_id = block.get("id", self.last_id)
            if "data" in block:
                assert block["event"] == "entitlements.changed"
                said: dict[str, Any] = json.loads(block["data"])
                return said

    def block(self) -> dict[str, str]:
        """Return the fields of the next block."""
        lines: list[str] = []
        while (line := self.answer.readline().decode().rstrip("\n")) or not lines:
            assert line, "the stream has ended"
            lines.append(line)
        return dict(line.split(": ", 1) for line in lines if not line.startswith(":"))


@contextmanager
def listening(url: str, user_id: str = "ann", seen: str | None = None) -> Iterator[Ear]:
    line = http.client.HTTPConnection(urlsplit(url).netloc, timeout=20)
    last = {} if seen is None else {"Last-Event-ID": seen}
    line.request("GET", PATH, headers={"Authorization": f"Bearer {token(user_id)}", **last})
    answer = line.getresponse()
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/event-stream")
    ear = Ear(answer)
    assert ear.block() == {"retry": "1000"}
    yield ear
    answer.close()
    line.close()
    # It is noticed by what is written next.
    wait_until_left()


def wait_until_left() -> None:
    def rung() -> bool:
        with suppress(Exception):
            give("ann", Source(SourceType.MANUAL, str(uuid4())))
        return stream.listeners._count == 0

    wait_until(rung)


@pytest.mark.parametrize("valkey", [True, False], ids=["", "without Valkey"])
def test_a_change_reaches_who_listens(served: str, settings: LazySettings, shown: Shown, valkey: bool) -> None:
    """EN-11: within a second of the commit, with the bell or without it."""
    settings.REDIS_URL = settings.REDIS_URL if valkey else NOWHERE
    give()

    with listening(served) as ear:
        before = ear.block()["id"]
        revoke()
        committed = time.monotonic()
        said = ear.next()
        took = time.monotonic() - committed

        assert said["user_id"] == "ann"
        assert ear.last_id == f"{said['version']}-{said['catalog']}"
        assert said["version"] > int(before.split("-")[0])
    shown(f"a change reached its listener in {took * 1000:.0f} ms {'with' if valkey else 'without'} Valkey")


def test_a_change_that_nobody_announces_is_seen_all_the_same(served: str, shown: Shown) -> None:
    """By psql, or by a process that could not reach Valkey."""
    give()
    with listening(served) as ear:
        ear.block()
        with psycopg.connect(dbname=connection.settings_dict["NAME"], **address()) as psql:
            psql.execute("UPDATE entitlements_entitlement SET metadata = '{}' WHERE user_id = 'ann'")
        committed = time.monotonic()
        said = ear.next()
        took = time.monotonic() - committed
    assert said["user_id"] == "ann"
    shown(f"a change by psql reached its listener in {took * 1000:.0f} ms")


def address() -> dict[str, Any]:
    names = {"host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD"}
    return {ours: connection.settings_dict[theirs] for ours, theirs in names.items()}


def test_who_comes_back_is_told_at_once_what_was_missed(served: str) -> None:
    give()
    with listening(served) as ear:
        seen = ear.block()["id"]

    with listening(served, seen=seen) as ear:
        assert ear.next()["version"] > int(seen.split("-")[0])


def test_nobody_hears_of_others(served: str) -> None:
    give("ben")
    give("ann")
    with listening(served) as ear:
        ear.block()
        give("ben", days=40)
        give("ann", days=50)
        assert ear.next()["user_id"] == "ann"
        assert stream.listeners._bells.keys() == {"ann"}


def test_a_change_of_the_catalog_is_told_to_everybody(served: str) -> None:
    give()
    with listening(served) as ear:
        before = int(ear.block()["id"].split("-")[1])
        Feature.objects.filter(code="export").update(name="Export")
        assert ear.next()["catalog"] > before


def test_when_enough_listen_others_are_sent_away_for_a_while(served: str, settings: LazySettings) -> None:
    settings.STREAMS_PER_PROCESS = 1
    with listening(served) as ear:
        ear.block()
        refused = api("ben").get(PATH)

        assert (refused.status_code, refused["Retry-After"], refused.json()["code"]) == (503, "5", "streams_full")

    assert api("ben").get(PATH).status_code == 200


def test_who_comes_back_takes_the_place_of_his_own_broken_line(served: str, settings: LazySettings) -> None:
    """EN-11: a browser does not come again after a 503, and his first line may be broken without anybody's notice."""
    settings.STREAMS_PER_PROCESS = 1
    give()
    with listening(served) as broken, listening(served, seen=broken.block()["id"]) as ear:
        assert broken.answer.read() == b""
        revoke()
        assert ear.next()["user_id"] == "ann"
        assert api("ben").get(PATH).status_code == 503
        assert stream.listeners._count == 1


@pytest.mark.django_db
def test_a_stream_ends_with_its_token(settings: LazySettings) -> None:
    settings.STREAM_SECONDS = 300
    events = list(stream.changes("ann", seen=None, seconds=0.0))

    assert events == [b"retry: 1000\n\n"]
    assert stream.listeners._count == 0


@pytest.mark.django_db
def test_who_leaves_at_once_takes_no_place(settings: LazySettings) -> None:
    settings.STREAM_SECONDS = 300
    events = stream.changes("ann", seen=None, seconds=300)

    assert next(iter(events)) == b"retry: 1000\n\n"
    assert stream.listeners._count == 1
    events.close()  # type: ignore[attr-defined]

    assert stream.listeners._count == 0


def test_of_many_who_listen_postgres_is_asked_once(books: None) -> None:
    """Each is rung for when he comes and with every change of his, by whatever way; nobody who has left."""
    rung: list[str] = []
    users = ["ann", "ben"]
    watch = Watch(lambda: users, rung.append)
    give("ann")
    known = watch._look(users, {})
    # And for all, where there is a catalog of features.
    assert sorted(set(rung) - {""}) == users

    rung.clear()
    give("ben", Source(SourceType.MANUAL, "gift-2"))
    give("zoe", Source(SourceType.MANUAL, "gift-3"))
    with CaptureQueriesContext(connection) as asked:
        assert watch._look(users, known)["ann"] == known["ann"]
    assert rung == ["ben"]
    assert len(asked) == 1


def test_who_watches_ends_with_the_last_listener_and_begins_anew(books: None) -> None:
    users, rung = ["ann"], threading.Event()
    watch = Watch(lambda: users, lambda _user_id: rung.set())
    for _time in range(2):
        users[:] = ["ann"]
        watch.begin()
        assert rung.wait(PATIENCE_SECONDS)
        users.clear()
        wait_until(lambda: watch._thread is None)
        rung.clear()


@pytest.mark.django_db
def test_a_bad_question_is_refused() -> None:
    assert api("ann").get(f"{PATH}?user_id=ben").status_code == 404
    assert api("a-service", "service").get(PATH).status_code == 400
    assert api("a-service", "service").get(f"{PATH}?user_id=ben").status_code == 200
    assert api("ann").head(PATH).status_code == 200
