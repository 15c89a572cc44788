"""A check has one answer, by the lane and by the view, byte for byte; what is not plain the lane leaves to Django."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from io import BytesIO
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from django.conf import LazySettings
from django.core.wsgi import get_wsgi_application
from django.db import transaction

from config import check_lane
from config.api import limiting
from entitlements import grants
from entitlements.grants import Source
from entitlements.models import SourceType
from events import clock
from keys import service_keys
from keys.ring import ring
from tests.api import token
from tests.config import test_logs
from tests.entitlements.conftest import a_version

lines = test_logs.lines
GIVEN = Source(SourceType.PROMOTION, "a promotion")
PATH = check_lane.PATH
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


def alike(answer: Answer) -> Any:
    """Take out what is never the same: the id of the request, and the moment."""
    status, headers, text = answer
    text = re.sub(rb'"(as_of|fresh_until)":"[^"]*"|"request_id":"\w*"', b"", text)
    return (
        status,
        [(name, "" if name in ("X-Request-Id", "Content-Length") else value) for name, value in headers],
        text,
    )


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


@pytest.fixture(params=[False, True], ids=["unlimited", "limited"])
def server(request: pytest.FixtureRequest, granted: None, settings: LazySettings) -> Iterator[Server]:
    settings.RATE_LIMITED = request.param
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


def both(server: Server, settings: LazySettings, asking: Callable[[str], Answer]) -> list[Any]:
    found = []
    for way in ("view", "lane"):
        forget(settings)
        found.append([alike(asking(way)) for _ in range(2)])
    return found


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


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_plain_question_has_one_answer_on_both_ways(server: Server, settings: LazySettings, name: str) -> None:
    """And Django was not asked for it."""
    given = learn(server)

    view, lane = both(server, settings, lambda way: server.ask(way, QUESTIONS[name], bearer=given))

    assert lane == view
    assert lane[0][0] == "200 OK"
    assert server.asked == 0


@pytest.mark.parametrize("name", QUESTIONS)
def test_the_same_question_in_a_body_has_one_answer_on_both_ways(
    server: Server, settings: LazySettings, name: str
) -> None:
    from django.http import QueryDict

    said: dict[str, Any] = QueryDict(QUESTIONS[name]).dict()
    if "requested" in said:
        said["requested"] = int(said["requested"])
    body = json.dumps(said, ensure_ascii=False).encode()
    given = learn(server, body=b'{"user_id": "ann", "feature_code": "pdf"}')

    view, lane = both(server, settings, lambda way: server.ask(way, body=body, bearer=given))

    assert lane == view
    assert lane[0][0] == "200 OK"
    assert server.asked == 0


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


@pytest.mark.parametrize("name", UNUSUAL)
def test_the_unusual_has_one_answer_on_both_ways(server: Server, settings: LazySettings, name: str) -> None:
    query, environ = UNUSUAL[name]
    given = learn(server)

    view, lane = both(server, settings, lambda way: server.ask(way, query, bearer=given, **environ))

    assert lane == view


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
    "a long body": (b'{"user_id":"ann","feature_code":"pdf"}' + b" " * 5000, {}),
    "a huge body": (b'{"user_id":"ann","feature_code":"pdf"}' + b" " * 300_000, {}),
    "a query too": (b'{"user_id":"ann","feature_code":"pdf"}', {"QUERY_STRING": "a=1"}),
    "another type": (b'{"user_id":"ann","feature_code":"pdf"}', {"CONTENT_TYPE": "text/plain"}),
    "a charset": (b'{"user_id":"ann","feature_code":"pdf"}', {"CONTENT_TYPE": "application/json; charset=utf-8"}),
    "another charset": (b'{"user_id":"ann","feature_code":"pdf"}', {"CONTENT_TYPE": "application/json; charset=x"}),
    "no type": (b'{"user_id":"ann","feature_code":"pdf"}', {"CONTENT_TYPE": None}),
    "a shorter length": (b'{"user_id":"ann","feature_code":"pdf"}', {"CONTENT_LENGTH": "10"}),
    "no length": (b'{"user_id":"ann","feature_code":"pdf"}', {"CONTENT_LENGTH": None}),
    "no number for a length": (b'{"user_id":"ann","feature_code":"pdf"}', {"CONTENT_LENGTH": "x"}),
    "an idempotency key": (b'{"user_id":"ann","feature_code":"pdf"}', {"HTTP_IDEMPOTENCY_KEY": "k"}),
}


@pytest.mark.parametrize("name", BODIES)
def test_an_unusual_body_has_one_answer_on_both_ways(server: Server, settings: LazySettings, name: str) -> None:
    body, environ = BODIES[name]
    given = learn(server, body=b'{"user_id": "ann", "feature_code": "pdf"}')

    view, lane = both(server, settings, lambda way: server.ask(way, body=body, bearer=given, **environ))

    assert lane == view


ROLES = [("user", "ann"), ("user", "ben"), ("service", "shop"), ("support", "sue"), ("admin", "eve"), ("nobody", "x")]


@pytest.mark.parametrize(("role", "user_id"), ROLES)
@pytest.mark.parametrize("query", [plain(), "feature_code=pdf", plain("ben")])
def test_every_caller_has_one_answer_on_both_ways(
    server: Server, settings: LazySettings, role: str, user_id: str, query: str
) -> None:
    """His own and foreign users, which are a 404, and one whom nobody named."""
    learn(server, role="user")
    learn(server)
    given = token(user_id, role)

    view, lane = both(server, settings, lambda way: server.ask(way, query, bearer=given))

    assert lane == view


@pytest.mark.parametrize("scope", [None, "", "check", "admin", "usage:write", "events:read check", 1, ["check"]])
def test_the_scope_of_a_service_counts_on_both_ways(server: Server, settings: LazySettings, scope: object) -> None:
    learn(server)
    given = token("shop", "service", scope=scope)

    view, lane = both(server, settings, lambda way: server.ask(way, plain(), bearer=given))

    assert lane == view
    assert (lane[0][0] == "200 OK") == (scope in (None, "check", "admin", "events:read check"))


BAD = {
    "expired": {"exp": -31},
    "not begun": {"iat": 31},
    "too long a life": {"exp": 3600},
    "another audience": {"aud": "elsewhere"},
    "another issuer": {"iss": "somebody"},
    "no end": {"exp": None},
    "a number for a name": {"sub": 1},
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_token_has_one_answer_on_both_ways(server: Server, settings: LazySettings, name: str) -> None:
    learn(server)
    now = int(time.time())
    claims = {
        claim: now + value if isinstance(value, int) and claim in ("exp", "iat") else value
        for claim, value in BAD[name].items()
    }
    given = token("shop", "service", **claims)

    view, lane = both(server, settings, lambda way: server.ask(way, plain(), bearer=given))

    assert lane == view
    assert lane[0][0] == "401 Unauthorized"


def test_a_token_ends_on_time_in_the_lane_too(server: Server) -> None:
    """It was good, and the lane had it in mind."""
    learn(server)
    given = token("shop", "service", exp=int(time.time()) - 28, iat=int(time.time()) - 60)

    first = server.ask("lane", plain(), bearer=given)[0]
    assert first == "200 OK"
    lane: Any = server.both["lane"]
    known = lane._callers[f"Bearer {given}"]
    assert known.until <= time.time() + 3

    lane._callers[f"Bearer {given}"] = check_lane.Caller(
        time.time(), *(getattr(known, name) for name in ("user_id", "reaches", "policy", "lease"))
    )
    server.ask("lane", plain(), bearer=given)

    assert lane._callers[f"Bearer {given}"].until <= time.time() + 3


def test_a_service_key_is_taken_and_ends(server: Server, settings: LazySettings) -> None:
    """By the same ring as the view's; the lane keeps it for a second."""
    learn(server)
    key, secret = service_keys.create("shop", ["check"], days=1, at=clock.now())
    ring.forget()

    view, lane = both(server, settings, lambda way: server.ask(way, plain(), bearer=secret.text))
    assert lane == view
    assert (lane[0][0], server.asked) == ("200 OK", 0)

    service_keys.revoke(key.prefix, why="test", at=clock.now())
    ring.forget()
    known: Any = server.both["lane"]
    assert known._callers[f"Bearer {secret.text}"].until <= time.time() + check_lane.KEY_SECONDS
    known._callers.clear()

    assert server.ask("lane", plain(), bearer=secret.text)[0] == "401 Unauthorized"
