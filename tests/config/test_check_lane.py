"""A check has one answer, by the lane and by the view, byte for byte; what is not plain the lane leaves to Django."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
import time_machine
from django.conf import LazySettings
from django.core.wsgi import get_wsgi_application
from django.db import connection, transaction
from django.http import QueryDict

from config import check_lane, lane_callers, metrics
from config.api import limiting
from entitlements import gauges, grants, snapshot
from entitlements.decisions import KEPT
from entitlements.grants import Source
from entitlements.models import Entitlement, SourceType
from entitlements.serializers.answers import moment as shown_moment
from events import clock
from keys import service_keys
from keys.ring import ring
from tests.api import token
from tests.config import test_logs
from tests.entitlements.conftest import TICK, a_version
from tests.entitlements.nearby import a_line, wait_until

lines = test_logs.lines
GIVEN = Source(SourceType.PROMOTION, "a promotion")
PATH = check_lane.PATH
PDF = b'{"user_id":"ann","feature_code":"pdf"}'
Answer = tuple[str, list[tuple[str, str]], bytes]
USERS = ("ann", "o'brien <x>", "jürgen/1", "家", "\u2028", "a+b c%41")


class Server:
    """An application as a server would call it; `asked` counts what reached Django."""

    def __init__(self) -> None:
        self.django, self.asked = get_wsgi_application(), 0
        self.both: dict[str, Any] = {"view": self.django, "lane": check_lane.before(self._counted)}

    def _counted(self, environ: Any, start_response: Any) -> Any:
        self.asked += 1
        return self.django(environ, start_response)

    def forget(self, settings: LazySettings) -> None:
        """Begin a count of requests that nobody has begun."""
        forget(settings)
        # Each has his lease of the old count in mind.
        self.both["lane"]._callers._known.clear()

    def ask(self, way: str, query: str = "", *, bearer: str | None = None, body: bytes = b"", **environ: Any) -> Answer:
        given: dict[str, Any] = {
            "REQUEST_METHOD": "POST" if body else "GET",
            "PATH_INFO": PATH,
            "SCRIPT_NAME": "",
            "QUERY_STRING": query,
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "HTTP_HOST": "localhost",
            "REMOTE_ADDR": "127.0.0.1",
            "CONTENT_TYPE": "application/json" if body else None,
            "CONTENT_LENGTH": str(len(body)) if body else None,
            "HTTP_AUTHORIZATION": f"Bearer {bearer}" if bearer is not None else None,
            "wsgi.url_scheme": "http",
            "wsgi.input": BytesIO(body),
            "wsgi.errors": BytesIO(),
            **environ,
        }
        said: list[Any] = []
        # A server leaves out of the environ what was not sent.
        sent = {name: value for name, value in given.items() if value is not None}
        answer = self.both[way](sent, lambda status, headers, *_: said.extend((status, headers)))
        text = b"".join(answer)
        if hasattr(answer, "close"):
            answer.close()
        return said[0], said[1], text


def alike(answer: Answer, never: bytes = b"as_of|fresh_until|request_id") -> Any:
    """Take out what is `never` the same, by its name: ids, and what time it is."""
    status, headers, text = answer
    text = re.sub(rb'"(%b)": ?"(?:[^"\\]|\\.)*"|\d+ seconds?' % never, b"", text)
    kept = [(name, re.sub(r"t=\d+$", "t=", value)) for name, value in headers]
    own = ("X-Request-Id", "Content-Length", "Retry-After")
    return status, [(name, "" if name in own else value) for name, value in kept], text


def plain(user_id: str = "ann", feature_code: str = "pdf", **more: object) -> str:
    return "&".join(
        f"{name}={quote(str(value), safe='')}"
        for name, value in {"user_id": user_id, "feature_code": feature_code, **more}.items()
    )


@pytest.fixture
def granted(books: None) -> None:
    now = clock.now()
    version, start = a_version(), now - timedelta(days=1)
    with transaction.atomic():
        for user_id in USERS:
            end = start + timedelta(days=30)
            grants.grant(user_id, version, source=GIVEN, starts_at=start, ends_at=end, at=start)
        grants.grant("old", version, source=GIVEN, starts_at=start, ends_at=now - timedelta(hours=1), at=start)


@pytest.fixture
def server(granted: None, settings: LazySettings) -> Iterator[Server]:
    settings.RATE_LIMITED = True
    forget(settings)
    yield Server()
    forget(settings)


def forget(settings: LazySettings) -> None:
    """Begin a count of requests that nobody has begun."""
    settings.APP_NAME = f"farebox-{uuid4().hex}"
    limiting._shared.cache_clear()
    limiting._leases.cache_clear()


def learn(server: Server, *, role: str = "service", body: bytes = b"", **environ: Any) -> str:
    """Let the lane see one answer of Django's and the database's clock."""
    given = token("ann", role)
    query = "" if body else plain()
    server.ask("lane", query, bearer=given, body=body, **environ)
    clock.now()
    server.asked = 0
    return given


class Ways:
    """Asks by the view and by the lane, each from a new count, twice each."""

    def __init__(self, server: Server, settings: LazySettings):
        self.server, self.settings = server, settings
        self.other: dict[str, Any] = {}
        self.status: dict[str, str] = {}
        self.by_django: list[str] = []

    def ask(self, name: str, query: str = "", **said: Any) -> None:
        """Ask; keep what differs, the status, and whether the lane asked Django."""
        found = []
        for way in ("view", "lane"):
            self.server.forget(self.settings)
            self.server.asked = 0
            found.append([alike(self.server.ask(way, query, **said)) for _ in range(2)])
        self.status[name] = found[0][0][0][:3]
        self.by_django += [name] if self.server.asked else []
        if found[0] != found[1]:
            self.other[name] = found


@pytest.fixture
def ways(server: Server, settings: LazySettings) -> Ways:
    return Ways(server, settings)


QUESTIONS = {
    "boolean": plain(),
    "static": plain(feature_code="help"),
    "metered": plain(feature_code="calls"),
    "seats": plain(feature_code="disk"),
    "requested": plain(feature_code="calls", requested=101),
    "none requested": plain(feature_code="calls", requested=0),
    "never granted": plain("nobody"),
    "not in the plan": plain(feature_code="charts"),
    "no such feature": plain(feature_code="nothing"),
    "ended": plain("old"),
    "the other order": "feature_code=pdf&user_id=ann",
    "empty parts": "&user_id=ann&&feature_code=pdf&",
    "a plus": "user_id=a%2Bb+c%2541&feature_code=pdf",
    **{f"user {number}": plain(user_id) for number, user_id in enumerate(USERS)},
}


@pytest.mark.parametrize("limited", [True, False])
def test_a_plain_question_has_one_answer_on_both_ways(ways: Ways, settings: LazySettings, limited: bool) -> None:
    """And Django was not asked for it; neither by GET, nor for the same question in a body."""
    settings.RATE_LIMITED = limited
    given = learn(ways.server)
    learn(ways.server, body=PDF)

    for name, query in QUESTIONS.items():
        ways.ask(name, query, bearer=given)
        said: dict[str, Any] = QueryDict(query).dict()
        if "requested" in said:
            said["requested"] = int(said["requested"])
        ways.ask(f"{name} in a body", bearer=given, body=json.dumps(said, ensure_ascii=False).encode())

    assert ways.other == {}
    assert set(ways.status.values()) == {"200"}
    assert ways.by_django == []


def test_who_is_in_valkey_alone_has_one_answer_on_both_ways(server: Server) -> None:
    """Whether or not what is kept of him is read at sight; and Postgres is not asked for it."""
    given = learn(server)
    other = {}
    with a_line():
        for name, query in QUESTIONS.items():
            server.ask("lane", query, bearer=given)
            wait_until(lambda: snapshot.shelving.is_over)
            missed = gauges.MISSES._value.get()
            for _ in range(2):
                found = []
                for way in ("view", "lane"):
                    snapshot.memory.clear()
                    status, _headers, text = alike(server.ask(way, query, bearer=given))
                    found.append((status, text, gauges.MISSES._value.get()))
                if found[0] != found[1] or found[1][2] != missed:
                    other[name] = found

    assert (other, server.asked) == ({}, 0)


UNUSUAL: dict[str, tuple[str, dict[str, Any]]] = {
    "no query": ("", {}),
    "no feature": ("user_id=ann", {}),
    "no user": ("feature_code=pdf", {}),
    "an empty user": ("user_id=&feature_code=pdf", {}),
    "an unknown parameter": (plain(nothing=1), {}),
    "a repeated parameter": (plain() + "&user_id=ann", {}),
    "a repeated feature": (plain() + "&feature_code=calls", {}),
    "at": (plain(at="2026-01-31T12:00:00Z"), {}),
    "a bad at": (plain(at="yesterday"), {}),
    "requested is no number": (plain(requested="1_0"), {}),
    "requested is below 0": (plain(requested=-1), {}),
    "requested twice": (plain(requested=1) + "&requested=1", {}),
    "a long user": (plain("x" * 256), {}),
    "a long feature": (plain(feature_code="x" * 101), {}),
    "a long query": (plain("%41" * 2000), {}),
    "many parts": (plain() + "&" * 1100, {}),
    "NUL": ("user_id=a%00&feature_code=pdf", {}),
    "no UTF-8": ("user_id=%ff&feature_code=pdf", {}),
    "half a pair": ("user_id=%ed%a0%80&feature_code=pdf", {}),
    "raw letters": ("user_id=jürgen&feature_code=pdf".encode().decode("latin-1"), {}),
    "a semicolon": ("user_id=ann;feature_code=pdf", {}),
    "a bare percent": ("user_id=%&feature_code=pdf", {}),
    "a trailing line end": (plain() + "%0A", {}),
    "a raw line end": (plain() + "\n", {}),
    "full-width digits": (plain(requested="１"), {}),
    "HEAD": (plain(), {"REQUEST_METHOD": "HEAD"}),
    "PUT": (plain(), {"REQUEST_METHOD": "PUT"}),
    "DELETE": (plain(), {"REQUEST_METHOD": "DELETE"}),
    "OPTIONS": (plain(), {"REQUEST_METHOD": "OPTIONS"}),
    "a preflight": (plain(), {"REQUEST_METHOD": "OPTIONS", "HTTP_ORIGIN": "https://a.example"}),
    "an invented method": (plain(), {"REQUEST_METHOD": "CHECK"}),
    "an origin": (plain(), {"HTTP_ORIGIN": "https://a.example"}),
    "a cookie": (plain(), {"HTTP_COOKIE": "sessionid=1"}),
    "an idempotency key": (plain(), {"HTTP_IDEMPOTENCY_KEY": "k"}),
    "if none match": (plain(), {"HTTP_IF_NONE_MATCH": '"x"'}),
    "any of none match": (plain(), {"HTTP_IF_NONE_MATCH": "*"}),
    "a range": (plain(), {"HTTP_RANGE": "bytes=0-1"}),
    "no accepted type": (plain(), {"HTTP_ACCEPT": "text/html"}),
    "compressed": (plain(), {"HTTP_ACCEPT_ENCODING": "gzip"}),
    "a language": (plain(), {"HTTP_ACCEPT_LANGUAGE": "de"}),
    "a body": (plain(), {"CONTENT_LENGTH": "2", "wsgi.input": BytesIO(b"{}")}),
    "a method within": (plain(), {"HTTP_X_HTTP_METHOD_OVERRIDE": "DELETE"}),
    "a strange host": (plain(), {"HTTP_HOST": "evil.example"}),
    "no good host": (plain(), {"HTTP_HOST": "a b"}),
    "another host": (plain(), {"HTTP_HOST": "127.0.0.1:9097"}),
    "https behind a proxy": (plain(), {"HTTP_X_FORWARDED_PROTO": "https"}),
    "a slash more": (plain(), {"PATH_INFO": PATH + "/"}),
    "under a script": (plain(), {"SCRIPT_NAME": "/x"}),
    "no token": (plain(), {"HTTP_AUTHORIZATION": None}),
    "an empty header": (plain(), {"HTTP_AUTHORIZATION": ""}),
    "no scheme": (plain(), {"HTTP_AUTHORIZATION": "x"}),
    "Basic": (plain(), {"HTTP_AUTHORIZATION": "Basic YTpi"}),
    "an empty token": (plain(), {"HTTP_AUTHORIZATION": "Bearer "}),
    "no JWT": (plain(), {"HTTP_AUTHORIZATION": "Bearer x.y.z"}),
    "no key": (plain(), {"HTTP_AUTHORIZATION": "Bearer fbk_0"}),
    "two tokens": (plain(), {"HTTP_BETTER_AUTH_TOKEN": "x.y.z"}),
    "only the other header": (plain(), {"HTTP_AUTHORIZATION": None, "HTTP_BETTER_AUTH_TOKEN": "x.y.z"}),
    "a request id": (plain(), {"HTTP_X_REQUEST_ID": "mine-1"}),
    "a bad request id": (plain(), {"HTTP_X_REQUEST_ID": "a b"}),
    "a reason": (plain(), {"HTTP_CHANGE_REASON": "because"}),
}


def test_the_unusual_has_one_answer_on_both_ways(ways: Ways) -> None:
    given = learn(ways.server)

    for name, (query, environ) in UNUSUAL.items():
        ways.ask(name, query, bearer=given, **environ)

    assert ways.other == {}


BODIES: dict[str, tuple[bytes, dict[str, Any]]] = {
    "no JSON": (b"{", {}),
    "a list": (b"[]", {}),
    "null": (b"null", {}),
    "an empty object": (b"{}", {}),
    "a name twice": (b'{"user_id":"ann","feature_code":"pdf","user_id":"ben"}', {}),
    "a number for a user": (b'{"user_id":1,"feature_code":"pdf"}', {}),
    "a text for a number": (b'{"user_id":"ann","feature_code":"pdf","requested":"1"}', {}),
    "a fraction": (b'{"user_id":"ann","feature_code":"calls","requested":1.0}', {}),
    "true": (b'{"user_id":"ann","feature_code":"calls","requested":true}', {}),
    "null for a user": (b'{"user_id":null,"feature_code":"pdf"}', {}),
    "an unknown field": (b'{"user_id":"ann","feature_code":"pdf","more":1}', {}),
    "at": (b'{"user_id":"ann","feature_code":"pdf","at":"2026-01-31T12:00:00Z"}', {}),
    "not UTF-8": (b'{"user_id":"\xff","feature_code":"pdf"}', {}),
    "NUL": (b'{"user_id":"\\u0000","feature_code":"pdf"}', {}),
    "half a pair": (b'{"user_id":"\\ud800","feature_code":"pdf"}', {}),
    "a long body": (PDF + b" " * 5000, {}),
    "a huge body": (PDF + b" " * 300_000, {}),
    "a query too": (PDF, {"QUERY_STRING": "a=1"}),
    "another type": (PDF, {"CONTENT_TYPE": "text/plain"}),
    "a charset": (PDF, {"CONTENT_TYPE": "application/json; charset=utf-8"}),
    "another charset": (PDF, {"CONTENT_TYPE": "application/json; charset=x"}),
    "no type": (PDF, {"CONTENT_TYPE": None}),
    "a shorter length": (PDF, {"CONTENT_LENGTH": "10"}),
    "no length": (PDF, {"CONTENT_LENGTH": None}),
    "no number for a length": (PDF, {"CONTENT_LENGTH": "x"}),
    "an idempotency key": (PDF, {"HTTP_IDEMPOTENCY_KEY": "k"}),
}


def test_an_unusual_body_has_one_answer_on_both_ways(ways: Ways) -> None:
    given = learn(ways.server, body=PDF)

    for name, (body, environ) in BODIES.items():
        ways.ask(name, body=body, bearer=given, **environ)

    assert ways.other == {}


ROLES = [("user", "ann"), ("user", "ben"), ("service", "shop"), ("support", "sue"), ("admin", "eve"), ("nobody", "x")]


def test_every_caller_has_one_answer_on_both_ways(ways: Ways) -> None:
    """His own and foreign users, which are a 404, and one whom nobody named."""
    learn(ways.server, role="user")
    learn(ways.server)

    for role, user_id in ROLES:
        for query in (plain(), "feature_code=pdf", plain("ben")):
            ways.ask(f"{role} {user_id} {query}", query, bearer=token(user_id, role))

    assert ways.other == {}
    assert ways.status["user ann user_id=ben&feature_code=pdf"] == "404"
    assert set(ways.by_django) == {name for name, status in ways.status.items() if status != "200"}


def test_the_scope_of_a_service_counts_on_both_ways(ways: Ways) -> None:
    learn(ways.server)

    for scope in (None, "", "check", "admin", "usage:write", "events:read check", 1, ["check"]):
        ways.ask(str(scope), plain(), bearer=token("shop", "service", scope=scope))

    assert ways.other == {}
    assert {name for name, status in ways.status.items() if status == "200"} == {
        "None",
        "check",
        "admin",
        "events:read check",
    }
    assert "check" not in ways.by_django


BAD: dict[str, dict[str, Any]] = {
    "expired": {"exp": -31},
    "not begun": {"iat": 100},
    "too long a life": {"exp": 3600},
    "another audience": {"aud": "elsewhere"},
    "another issuer": {"iss": "somebody"},
    "no end": {"exp": None},
    "a number for a name": {"sub": 1},
}


def test_a_bad_token_has_one_answer_on_both_ways(ways: Ways) -> None:
    learn(ways.server)
    now = int(time.time())

    for name, claims in BAD.items():
        made = {claim: now + value if claim in ("exp", "iat") and value else value for claim, value in claims.items()}
        ways.ask(name, plain(), bearer=token("shop", "service", **made))

    assert ways.other == {}
    assert set(ways.status.values()) == {"401"}


def test_a_spent_quota_has_one_answer_on_both_ways(ways: Ways, settings: LazySettings) -> None:
    """The lane takes the same from the same count, and Django says the no."""
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "service_checks": 7}
    given = learn(ways.server)
    found = []
    for way in ("view", "lane"):
        ways.server.forget(settings)
        found.append([alike(ways.server.ask(way, plain(), bearer=given)) for _ in range(9)])

    assert found[0] == found[1]
    assert [status[:3] for status, *_ in found[1]] == ["200"] * 7 + ["429"] * 2


def test_a_token_ends_on_time_in_the_lane_too(server: Server) -> None:
    """It was good, and the lane had it in mind."""
    learn(server)
    now = int(time.time())
    given = token("shop", "service", exp=now - 28, iat=now - 60)
    lane: Any = server.both["lane"]

    with time_machine.travel(now, tick=False):
        assert server.ask("lane", plain(), bearer=given)[0] == "200 OK"
        known = lane._callers._known[f"Bearer {given}"]
        assert known.until <= now + 2

        lane._callers._known[f"Bearer {given}"] = replace(known, until=now)
        server.ask("lane", plain(), bearer=given)

        assert lane._callers._known[f"Bearer {given}"].until <= now + 2
    with time_machine.travel(now + 2, tick=False):
        assert server.ask("lane", plain(), bearer=given)[0] == "401 Unauthorized"


def test_a_service_key_is_taken_and_ends(ways: Ways) -> None:
    """By the same ring as the view's; the lane keeps it for a second."""
    server = ways.server
    learn(server)
    key, secret = service_keys.create("shop", ["check"], days=1, at=clock.now())
    ring.forget()

    ways.ask("key", plain(), bearer=secret.text)
    assert (ways.other, ways.status, ways.by_django) == ({}, {"key": "200"}, [])

    service_keys.revoke(key.prefix, why="test", at=clock.now())
    ring.forget()
    known: Any = server.both["lane"]
    assert not any(isinstance(name, str) and secret.text in name for name in known._callers._known)
    assert min(caller.until for caller in known._callers._known.values()) <= time.time() + lane_callers.KEY_SECONDS
    known._callers._known.clear()

    assert server.ask("lane", plain(), bearer=secret.text)[0] == "401 Unauthorized"


def test_the_lane_counts_as_django_does_and_writes_no_line(
    server: Server, lines: Callable[[], list[dict[str, Any]]]
) -> None:
    """A line for each check would take longer than the check; refusals have theirs, from Django."""
    given = learn(server)
    counted = metrics.REQUESTS.labels("GET", PATH[1:], 200)
    lane: Any = server.both["lane"]
    lane._note["GET"].__self__.tell()
    before, written = counted._value.get(), len(lines())

    for _ in range(3):
        server.ask("lane", plain(), bearer=given)
    lane._note["GET"].__self__.tell()

    assert (counted._value.get() - before, server.asked) == (3, 0)
    assert len(lines()) == written


def test_a_change_shows_in_the_next_answer(server: Server) -> None:
    """What was rendered before is told only of the same facts."""
    given = learn(server)
    first = [json.loads(server.ask("lane", plain(), bearer=given)[2])["allowed"] for _ in range(3)]

    with transaction.atomic():
        grants.revoke(GIVEN, reason="refund", at=clock.now())
    then = json.loads(server.ask("lane", plain(), bearer=given)[2])

    assert first == [True] * 3
    assert (then["allowed"], then["reason_code"]) == (False, "revoked")
    assert server.asked == 0


def test_a_rendered_answer_ends_with_the_grant(server: Server) -> None:
    """Nothing is written when a date passes."""
    given = learn(server)
    lane: Any = server.both["lane"]

    for _ in range(3):
        server.ask("lane", plain(), bearer=given)

    answer = lane._questions.of_query(plain()).answer
    end = Entitlement.objects.get(user_id="ann", feature_id="pdf").ends_at
    assert end
    assert answer.until == clock.microseconds(end)
    assert b'"fresh_until":"%bZ"' % end.isoformat()[:-6].encode() in answer.at(answer.until - 1)
    for moment in (end - TICK, end - KEPT, end - KEPT + TICK, end - KEPT - TICK, end.replace(microsecond=0) - 2 * KEPT):
        said = json.loads(answer.at(clock.microseconds(moment)))
        assert said["as_of"] == shown_moment(moment)
        assert said["fresh_until"] == shown_moment(min(moment + KEPT, end))


def test_the_lane_can_be_closed(granted: None, settings: LazySettings) -> None:
    """One setting, read when the process starts."""
    settings.CHECK_FAST_LANE = False
    server = Server()

    learn(server)
    server.ask("lane", plain(), bearer=token("ann", "service"))

    assert server.asked == 1


def test_a_lost_connection_costs_one_detour(server: Server) -> None:
    """Postgres has ended our connections: no check is refused."""
    given = learn(server)
    snapshot.forget()
    connection.close()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )

    statuses = [server.ask("lane", plain(user_id), bearer=given)[0] for user_id in USERS]

    assert statuses == ["200 OK"] * len(USERS)
