"""Events that come at one moment are stored by one statement; who is not known to be stored is told so."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from django.db import connection, transaction

from billing import webhooks
from billing.models import WebhookEvent
from config.lane_store import Letter, Store
from tests.config.test_lane import Server, event, learn
from tests.stripe_side import StripeSide

THREADS = 16


def letter(id: str) -> Letter:
    news = webhooks.read(event(id))
    return Letter(webhooks.row(news), looks=bool(news.looks_at), route="hook", request_id=id, started=0.0)


class Slow:
    """A writer whose first statement waits until it is told to go on; `calls` are the ids of each."""

    def __init__(self, refused: str = "") -> None:
        self.calls: list[list[str]] = []
        self.refused, self.writing, self.goes_on = refused, threading.Event(), threading.Event()

    def __call__(self, rows: list[webhooks.Row]) -> set[str]:
        self.calls.append([row[0] for row in rows])
        if len(self.calls) == 1:
            self.writing.set()
            assert self.goes_on.wait(30)
        if self.refused in self.calls[-1]:
            raise psycopg.DataError
        return {row[0] for row in rows}


def kept(write: Slow, told: list[Letter], ids: list[str]) -> list[bool | None | type]:
    """Store the first, and while it is written let all others come."""
    store, letters = Store(write, told.extend), [letter(id) for id in ids]
    with ThreadPoolExecutor(len(ids)) as pool:
        found: list[Future[bool | None]] = [pool.submit(store.keep, letters[0])]
        assert write.writing.wait(30)
        found += [pool.submit(store.keep, one) for one in letters[1:]]
        while len(store._group._waiting) < len(ids) - 1:
            threading.Event().wait(0.001)
        write.goes_on.set()
        return [type(each.exception()) if each.exception() else each.result() for each in found]


def test_who_comes_while_one_is_written_is_written_with_the_next() -> None:
    """Two statements for sixteen, and each is told."""
    write, told, ids = Slow(), [], [f"evt_{number}" for number in range(THREADS)]

    assert kept(write, told, ids) == [True] * THREADS

    assert [len(each) for each in write.calls] == [1, THREADS - 1]
    assert sorted(one.request_id for one in told) == sorted(ids)


def test_of_one_event_twice_in_a_moment_one_is_new() -> None:
    """As if they had come one after the other."""
    write, told = Slow(), []

    found = kept(write, told, ["evt_first", *["evt_same"] * 7])

    assert sorted(map(str, found)) == ["False"] * 6 + ["True"] * 2


def test_none_of_a_refused_statement_counts_as_stored() -> None:
    """The one who wrote hears why; the others that nobody knows. The next moment is as any other."""
    write, told = Slow(refused="evt_3"), []

    found = kept(write, told, [f"evt_{number}" for number in range(8)])

    assert found[0] is True
    assert sorted(map(str, found[1:])) == [str(psycopg.DataError)] + ["None"] * 6
    assert [one.request_id for one in told] == ["evt_0"]


def test_what_postgres_would_read_otherwise_is_kept_as_it_is(books: None) -> None:
    """Quotes, backslashes, braces, commas, and the word NULL: an array is a text, too."""
    odd = ['a"b', "a\\b", "{a,b}", "NULL", 'null","x', " a ", "ä\u2028\U0001f600", "\\"]
    rows = [webhooks.row(webhooks.read(event(id, type=id))) for id in odd]
    with connection.cursor() as cursor:
        cursor.execute(webhooks.STORE, webhooks.columns(rows))

    assert dict(WebhookEvent.objects.values_list("stripe_id", "type")) == dict(zip(odd, odd, strict=True))
    assert all(json.loads(row.body)["id"] == row.stripe_id for row in WebhookEvent.objects.all())


@pytest.fixture
def server(books: None, stripe_side: StripeSide) -> Server:
    made = Server()
    learn(made, lambda body: {"HTTP_STRIPE_SIGNATURE": stripe_side.sign(body)})
    return made


def ask(server: Server, side: StripeSide) -> Callable[[bytes], Any]:
    def one(body: bytes) -> Any:
        status, _, text = server.ask("lane", body, HTTP_STRIPE_SIGNATURE=side.sign(body))
        connection.close()
        return status, json.loads(text)["duplicate"]

    return one


def test_sixteen_at_once_are_each_stored_once(server: Server, stripe_side: StripeSide) -> None:
    """200 events, each sent four times in any order: one answer of each says that it was new."""
    ids = [f"evt_{number % 200}" for number in range(800)]

    with ThreadPoolExecutor(THREADS) as pool:
        found = list(pool.map(ask(server, stripe_side), (event(id) for id in ids)))

    assert {status for status, _ in found} == {"200 OK"}
    new = [id for id, (_, duplicate) in zip(ids, found, strict=True) if not duplicate]
    assert sorted(new) == sorted(set(ids))
    assert WebhookEvent.objects.exclude(stripe_id="evt_first").count() == 200
    assert server.asked == 0


def test_one_that_cannot_be_stored_yet_holds_up_no_other(server: Server, stripe_side: StripeSide) -> None:
    """Somebody else is about to store it. Django answers all that came with it, and it when he is done."""
    with ThreadPoolExecutor(8) as pool:
        with transaction.atomic():
            webhooks.keep(webhooks.read(event("evt_held")))
            held = pool.submit(ask(server, stripe_side), event("evt_held"))
            others = [pool.submit(ask(server, stripe_side), event(f"evt_{number}")) for number in range(7)]
            assert [each.result(30) for each in others] == [("200 OK", False)] * 7
            assert not held.done()
        assert held.result(30) == ("200 OK", True)

    assert server.asked >= 1
    assert WebhookEvent.objects.exclude(stripe_id="evt_first").count() == 8
