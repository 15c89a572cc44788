"""The fast lane answers as the view does, byte for byte; what is unusual it leaves to Django."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.wsgi import get_wsgi_application
from django.db import connection

from billing.models import WebhookEvent
from config import lane, lane_store, metrics
from tests.config import test_logs
from tests.environ import environ as made
from tests.stripe_side import StripeSide

lines = test_logs.lines
PATH = "/api/v1/webhooks/stripe"
Answer = tuple[str, list[tuple[str, str]], bytes]


def event(id: str, **changes: object) -> bytes:
    known = {"type": "payment_intent.succeeded", "created": 1_790_000_000, "livemode": False}
    return json.dumps({"id": id, "data": {"object": {"id": "pi_1"}}, **known, **changes}).encode()


class Server:
    """An application as a server would call it; `asked` counts what reached Django."""

    def __init__(self) -> None:
        self.django, self.asked = get_wsgi_application(), 0
        # Another test may have ended it at the server, which is noticed when it is used.
        lane_store.PREPARED.close()
        self.both: dict[str, Any] = {"view": self.django, "lane": lane.before(self._counted)}

    def _counted(self, environ: Any, start_response: Any) -> Any:
        self.asked += 1
        return self.django(environ, start_response)

    def ask(self, way: str, body: bytes, **environ: Any) -> Answer:
        given = made("POST", PATH, body, **environ)
        said: list[Any] = []
        # A server's own header, gone from the environ when it was not sent.
        sent = {name: value for name, value in given.items() if value is not None}
        answer = self.both[way](sent, lambda status, headers, *_: said.extend((status, headers)))
        text = b"".join(answer)
        if hasattr(answer, "close"):
            answer.close()
        return said[0], said[1], text


def without_id(answer: Answer) -> Any:
    """Take out the id of the request, which is never the same."""
    status, headers, text = answer
    found = json.loads(text)
    shown = text if "request_id" not in found else {**found, "request_id": ""}
    return status, [(name, "" if name == "X-Request-Id" else value) for name, value in headers], shown


@pytest.fixture
def server(books: None) -> Server:
    return Server()


@pytest.fixture
def signed(stripe_side: StripeSide) -> Callable[[bytes], dict[str, str]]:
    return lambda body: {"HTTP_STRIPE_SIGNATURE": stripe_side.sign(body)}


def learn(server: Server, signed: Callable[[bytes], dict[str, str]], **environ: Any) -> None:
    body = event("evt_first")
    server.ask("lane", body, **signed(body), **environ)
    server.asked = 0


@pytest.mark.parametrize("path", [PATH, "/payments/webhook"])
def test_a_good_event_has_one_answer_on_both_ways(
    server: Server, signed: Callable[[bytes], dict[str, str]], path: str
) -> None:
    """New and repeated; the lane has not asked Django, and both rows are alike."""
    learn(server, signed, PATH_INFO=path)
    answers, rows = {}, {}
    for way in ("view", "lane"):
        body = event(f"evt_{way}")
        answers[way] = [server.ask(way, body, PATH_INFO=path, **signed(body)) for _ in range(2)]
        row = WebhookEvent.objects.get(stripe_id=f"evt_{way}")
        rows[way] = (row.type, row.looks_at, row.status, row.livemode, row.happened_at, row.due_at - row.received_at)
        assert row.body == body.decode()

    assert [without_id(one) for one in answers["lane"]] == [without_id(one) for one in answers["view"]]
    assert server.asked == 0
    assert rows["lane"] == rows["view"]


BODY = event("evt_x")
UNUSUAL = {
    "no signature": (BODY, {"HTTP_STRIPE_SIGNATURE": ""}),
    "forged": (BODY, {"HTTP_STRIPE_SIGNATURE": "t=1,v1=00"}),
    "no event": (b"[]", {}),
    "not JSON": (b"{", {}),
    "not UTF-8": (b"\xff", {}),
    "NUL": (event("evt\x00"), {}),
    "too large": (event("evt_x", padding="x" * 300_000), {}),
    "a query": (BODY, {"QUERY_STRING": "a=1"}),
    "another method": (BODY, {"REQUEST_METHOD": "PUT"}),
    "GET": (b"", {"REQUEST_METHOD": "GET"}),
    "a preflight": (b"", {"REQUEST_METHOD": "OPTIONS", "HTTP_ORIGIN": "https://a.example"}),
    "an origin": (BODY, {"HTTP_ORIGIN": "https://a.example"}),
    "a cookie": (BODY, {"HTTP_COOKIE": "sessionid=1"}),
    "an idempotency key": (BODY, {"HTTP_IDEMPOTENCY_KEY": "k"}),
    "no length": (BODY, {"CONTENT_LENGTH": ""}),
    "no number": (BODY, {"CONTENT_LENGTH": "x"}),
    "a strange host": (BODY, {"HTTP_HOST": "evil.example"}),
    "no good host": (BODY, {"HTTP_HOST": "a b"}),
    "another path": (BODY, {"PATH_INFO": PATH + "/"}),
    "a token": (BODY, {"HTTP_AUTHORIZATION": "Bearer x"}),
    "a request id": (BODY, {"HTTP_X_REQUEST_ID": "mine-1"}),
    "a bad request id": (BODY, {"HTTP_X_REQUEST_ID": "a b"}),
    "another content type": (BODY, {"CONTENT_TYPE": "text/plain"}),
    "https behind a proxy": (BODY, {"HTTP_X_FORWARDED_PROTO": "https"}),
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_the_unusual_has_one_answer_on_both_ways(
    server: Server, signed: Callable[[bytes], dict[str, str]], name: str
) -> None:
    """The same request, once by the view and once by the lane, from the same state."""
    body, environ = UNUSUAL[name]
    learn(server, signed)
    found = []
    for way in ("view", "lane"):
        answer = (
            server.ask(way, body, **signed(body), **environ)
            if environ.get("HTTP_STRIPE_SIGNATURE") is None
            else (server.ask(way, body, **environ))
        )
        kept = sorted(WebhookEvent.objects.values_list("stripe_id", "status", "looks_at"))
        WebhookEvent.objects.filter(stripe_id="evt_x").delete()
        found.append((without_id(answer), kept))

    assert found[0] == found[1]


def test_the_id_of_the_request_is_the_callers(server: Server, signed: Callable[[bytes], dict[str, str]]) -> None:
    """Or one of ours."""
    learn(server, signed)

    _, headers, _ = server.ask("lane", BODY, **signed(BODY), HTTP_X_REQUEST_ID="mine-1")
    _, others, _ = server.ask("lane", BODY, **signed(BODY), HTTP_X_REQUEST_ID="a b")

    assert dict(headers)["X-Request-Id"] == "mine-1"
    assert len(dict(others)["X-Request-Id"]) == 32


def test_the_lane_logs_and_counts_as_django_does(
    server: Server, signed: Callable[[bytes], dict[str, str]], lines: Callable[[], list[dict[str, Any]]]
) -> None:
    """One line with the same fields, one more in the same metric."""
    learn(server, signed)
    counted = metrics.REQUESTS.labels("POST", PATH[1:], 200)
    told = []
    for way in ("view", "lane"):
        before, written = counted._value.get(), len(lines())
        server.ask(way, BODY, **signed(BODY), HTTP_X_REQUEST_ID="mine-1")
        (line,) = lines()[written:]
        told.append(line)
        assert counted._value.get() == before + 1

    own = {"duration_ms", "timestamp", "caller"}
    assert list(told[0]) == list(told[1])
    assert all(told[0][name] == told[1][name] for name in told[0] if name not in own)
    assert len(told[0]["timestamp"]) == len(told[1]["timestamp"])


def test_a_lost_connection_costs_one_detour(server: Server, signed: Callable[[bytes], dict[str, str]]) -> None:
    """Postgres has ended our connections: Django answers with new ones, and no event is refused."""
    learn(server, signed)
    connection.close()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )

    statuses = [server.ask("lane", body, **signed(body))[0] for body in [event(f"evt_{number}") for number in range(5)]]

    assert statuses == ["200 OK"] * 5
    assert WebhookEvent.objects.filter(stripe_id__startswith="evt_").count() == 6


def test_the_lane_can_be_closed(
    server: Server, signed: Callable[[bytes], dict[str, str]], settings: LazySettings
) -> None:
    """One setting, read with each request."""
    learn(server, signed)
    settings.WEBHOOK_FAST_LANE = False

    server.ask("lane", BODY, **signed(BODY))

    assert server.asked == 1
