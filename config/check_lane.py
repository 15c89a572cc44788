"""The fast lane for checks, in front of Django: the same functions on the same facts, without what lies around them.

It answers when everything is known: a token that was verified and still holds, a plain question within the caller's
reach, a fresh snapshot, the database's time, a rest of the quota. Every other request goes to Django as it came. The
headers of the answer are learned from Django's own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from typing import TYPE_CHECKING, Any

from django.conf import settings
from rest_framework.exceptions import APIException

from config import metrics
from config.api.authentication import SERVICE_KEY, Principal, believed
from config.api.leases import Lease
from config.api.limiting import lease, policy_of
from config.api.permissions import reach_of
from config.api.roles import Reach
from config.lane import MOST_LEARNED, Headers
from config.lane_answers import body
from config.lane_questions import LONGEST_BODY, Asked, Questions
from config.requests import id_of, numbered
from keys import authentication as service_keys

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PATH = "/api/v1/entitlements/check"
OPERATIONS = {method: f"{method} entitlement-check" for method in ("GET", "POST")}
# With one of these the answer may differ.
UNUSUAL = frozenset(
    {
        "HTTP_ORIGIN",
        "HTTP_COOKIE",
        "HTTP_IDEMPOTENCY_KEY",
        "HTTP_TRANSFER_ENCODING",
        "HTTP_CONTENT_ENCODING",
        "HTTP_BETTER_AUTH_TOKEN",
        "HTTP_CHANGE_REASON",
    }
)
# A service key is read again as often as its ring is asked.
KEY, KEY_SECONDS = f"Bearer {SERVICE_KEY}", 1.0
MOST_CALLERS = 16_384
# Told of one answer alone: where each stands in the list of headers is learned once.
OF_ONE_ANSWER = ("content-length", "x-request-id", "ratelimit")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who has shown this token, until when that is believed, and what he may do by which method."""

    until: float
    user_id: str
    reaches: dict[str, Reach | None]
    policy: str
    lease: Lease | None


@dataclass(frozen=True, slots=True)
class Layout:
    """The headers of such an answer, and the places of those that are of one answer alone."""

    headers: Headers
    places: tuple[int | None, ...]


class CheckLane:
    """One lane; what it remembers is bounded, and is forgotten with the process."""

    def __init__(self, django: WSGIApplication):
        self._django = django
        self._callers: dict[str | bytes, Caller] = {}
        self._layouts: dict[tuple[Any, ...], Layout] = {}
        self._questions = Questions()
        self._tallies = {
            method: metrics.Tally(
                [metrics.REQUESTS.labels(method, PATH[1:], 200)], [metrics.SECONDS.labels(method, PATH[1:])]
            )
            for method in OPERATIONS
        }

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer, or let Django answer."""
        if environ["PATH_INFO"] != PATH or not environ.keys().isdisjoint(UNUSUAL) or environ.get("SCRIPT_NAME"):
            return self._django(environ, start_response)
        now, method = time.monotonic(), environ["REQUEST_METHOD"]
        asked = self._asked(environ, method)
        caller = self._caller(environ) if asked else None
        if asked is None or caller is None:
            return self._django(environ, start_response)
        place = (
            method,
            caller.policy,
            environ["HTTP_HOST"],
            environ["wsgi.url_scheme"],
            environ.get("HTTP_X_FORWARDED_PROTO"),
        )
        layout = self._layouts.get(place)
        if layout is None:
            return self._django(environ, self._learning(start_response, place))
        text = self._body(caller, asked, method, now)
        headers = _headers(layout, caller, environ.get("HTTP_X_REQUEST_ID"), text, now) if text else None
        if text is None or headers is None:
            return self._django(environ, start_response)
        start_response("200 OK", headers)
        self._tallies[method].note(now, time.monotonic())
        return [text]

    def _asked(self, environ: WSGIEnvironment, method: str) -> Asked | None:
        length = environ.get("CONTENT_LENGTH")
        if "HTTP_HOST" not in environ:
            return None
        if method == "GET":
            return None if length and length != "0" else self._questions.of_query(environ["QUERY_STRING"])
        if method != "POST" or environ["QUERY_STRING"] or not length or not length.isdecimal():
            return None
        if int(length) > LONGEST_BODY:
            return None
        body = environ["wsgi.input"].read(int(length))
        # Whoever answers may read it again.
        environ["wsgi.input"] = BytesIO(body)
        return self._questions.of_body(body, environ.get("CONTENT_TYPE", ""))

    def _caller(self, environ: WSGIEnvironment) -> Caller | None:
        header = environ.get("HTTP_AUTHORIZATION", "")
        known = self._callers.get(header)
        if known is not None and time.time() < known.until:
            return known
        return self._introduced(header)

    def _introduced(self, header: str) -> Caller | None:
        # A token is old within minutes; a key opens the door for months, and only its hash is kept.
        name = sha256(header.encode(errors="surrogatepass")).digest() if header.startswith(KEY) else header
        known = self._callers.get(name)
        if known is not None and time.time() < known.until:
            return known
        if not header.startswith("Bearer "):
            return None
        try:
            until, asking = _believed(header.removeprefix("Bearer ").strip())
        except APIException:
            return None
        while len(self._callers) >= MOST_CALLERS:
            self._callers.pop(next(iter(self._callers)), None)
        self._callers[name] = known = _caller(until, asking)
        return known

    def _body(self, caller: Caller, asked: Asked, method: str, now: float) -> bytes | None:
        reach, user_id = caller.reaches[method], asked.user_id
        if reach is Reach.ANY and user_id is not None:
            return body(user_id, asked, now)
        if reach is Reach.OWN and (user_id is None or user_id == caller.user_id):
            mine = asked if user_id else self._questions.of_oneself(asked, caller.user_id)
            return body(caller.user_id, mine, now) if mine else None
        return None

    def _learning(self, start_response: StartResponse, place: tuple[Any, ...]) -> StartResponse:
        def start(status: str, headers: Headers, *rest: Any) -> Callable[[bytes], object]:
            if status.startswith("200 ") and len(self._layouts) < MOST_LEARNED:
                self._layouts[place] = _layout(headers)
            return start_response(status, headers, *rest)

        return start


def _believed(token: str) -> tuple[float, Principal]:
    if token.startswith(SERVICE_KEY):
        return time.time() + KEY_SECONDS, service_keys.verify(token)
    return believed(token)


def _caller(until: float, asking: Principal) -> Caller:
    reaches = {method: reach_of(asking, operation) for method, operation in OPERATIONS.items()}
    policy = policy_of(OPERATIONS["GET"], asking)
    return Caller(until, asking.user_id, reaches, policy, lease(policy, asking.name) if settings.RATE_LIMITED else None)


def _layout(headers: Headers) -> Layout:
    names = [name.lower() for name, _ in headers]
    return Layout(list(headers), tuple(names.index(name) if name in names else None for name in OF_ONE_ANSWER))


def _headers(layout: Layout, caller: Caller, asked_id: str | None, text: bytes, now: float) -> Headers | None:
    """Take one of the quota and tell the rest of it; None when there is none."""
    length, request_id, limit = layout.places
    if length is None or request_id is None or (limit is None) != (caller.lease is None):
        return None
    headers = layout.headers.copy()
    if caller.lease is not None and limit is not None:
        told = caller.lease.told(now)
        if told is None:
            return None
        headers[limit] = "RateLimit", told
    headers[length] = "Content-Length", str(len(text))
    headers[request_id] = "X-Request-Id", id_of(asked_id) if asked_id else numbered()
    return headers


def before(django: WSGIApplication) -> WSGIApplication:
    """Put the lane in front of Django; the setting CHECK_FAST_LANE closes it."""
    return CheckLane(django) if settings.CHECK_FAST_LANE else django
