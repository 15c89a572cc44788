"""The fast lane for one plain use, in front of Django: those who come at the same moment are written down together.

It answers when everything is known: a token that was verified and still holds, a plain use of one counter, the
database's time, a rest of the quota, and that the use was written down now. Every other request goes to Django as it
came: what was written down before, what does not fit, what reaches a threshold.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from io import BytesIO
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import Error, connection
from rest_framework.exceptions import APIException

from config import metrics
from config.api import limiting, parsing
from config.api.authentication import SERVICE_KEY, believed
from config.api.leases import Lease, told
from config.api.permissions import reach_of
from config.lane import MOST_LEARNED, Headers
from config.requests import id_of
from entitlements import purses
from entitlements.convoys import Convoy, Gone
from entitlements.serializers.rendering import rendered
from entitlements.serializers.usage import plain_use
from entitlements.together import Entry
from entitlements.usage import AHEAD, Use
from events import clock
from keys import authentication as service_keys

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PATH, OPERATION, LONGEST_BODY = "/api/v1/usage", "POST usage", 4096
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
MOST_CALLERS = 4096
PROCESS = token_hex(10)
numbers = itertools.count()
OF_ONE_ANSWER = ("content-length", "x-request-id", "ratelimit")
OFFSET = -len("+00:00")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who has shown this token, until when that is believed, and whether he may write down what others used."""

    until: float
    name: str
    may: bool
    policy: str
    lease: Lease | None


@dataclass(frozen=True, slots=True)
class Layout:
    """The headers of such an answer, and the places of those that are of one answer alone."""

    headers: Headers
    places: tuple[int | None, ...]


class UsageLane:
    """One lane; what it remembers is bounded, and is forgotten with the process."""

    def __init__(self, django: WSGIApplication):
        self._django = django
        self._callers: dict[str | bytes, Caller] = {}
        self._layouts: dict[tuple[Any, ...], Layout] = {}
        self._convoy = Convoy()
        counted = [metrics.REQUESTS.labels("POST", PATH[1:], 201)], [metrics.SECONDS.labels("POST", PATH[1:])]
        self._tally = metrics.Tally(*counted)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer, or let Django answer."""
        if environ["PATH_INFO"] != PATH or not _is_usual(environ):
            return self._django(environ, start_response)
        started = time.perf_counter()
        use, caller = _use(environ), self._caller(environ.get("HTTP_AUTHORIZATION", ""))
        if use is None or caller is None or not caller.may:
            return self._django(environ, start_response)
        place = tuple(environ.get(name) for name in ("HTTP_HOST", "wsgi.url_scheme", "HTTP_X_FORWARDED_PROTO"))
        layout = self._layouts.get((*place, caller.policy))
        if layout is None:
            return self._django(environ, self._learning(start_response, (*place, caller.policy)))
        answer = self._answer(environ, use, caller, layout)
        if answer is None:
            return self._django(environ, start_response)
        start_response("201 Created", answer[0])
        self._tally.note(started, time.perf_counter())
        return [answer[1]]

    def _answer(
        self, environ: WSGIEnvironment, use: Use, caller: Caller, layout: Layout
    ) -> tuple[Headers, bytes] | None:
        now, entry = _entry(use)
        length, request_id, limit = layout.places
        if now is None or entry is None or length is None or request_id is None:
            return None
        if (limit is None) != (caller.lease is None):
            return None
        headers = layout.headers.copy()
        if caller.lease is not None and limit is not None:
            # It was asked once, whoever answers.
            environ[limiting.COUNTED] = spent = caller.lease.spend()
            if not spent.allowed:
                return None
            headers[limit] = "RateLimit", told(spent.policy, spent.remaining, spent.reset)
        gone = self._convoy.ride(use, use.asking(caller.name), entry, now)
        if gone is None:
            return None
        text, asked_id = _body(use, gone), environ.get("HTTP_X_REQUEST_ID")
        headers[length] = "Content-Length", str(len(text))
        headers[request_id] = "X-Request-Id", id_of(asked_id) if asked_id else f"{PROCESS}{next(numbers):012x}"
        return headers, text

    def _caller(self, header: str) -> Caller | None:
        # A token is old within minutes; a key opens the door for months, and only its hash is kept.
        name = sha256(header.encode(errors="surrogatepass")).digest() if header.startswith(KEY) else header
        known = self._callers.get(name)
        if known is not None and time.time() < known.until:
            return known
        if not header.startswith("Bearer "):
            return None
        try:
            known = _believed(header.removeprefix("Bearer ").strip())
        except APIException:
            return None
        while len(self._callers) >= MOST_CALLERS:
            self._callers.pop(next(iter(self._callers)), None)
        self._callers[name] = known
        return known

    def _learning(self, start_response: StartResponse, place: tuple[Any, ...]) -> StartResponse:
        def start(status: str, headers: Headers, *rest: Any) -> Callable[[bytes], object]:
            names = [name.lower() for name, _ in headers]
            if status.startswith("201 ") and "idempotent-replayed" not in names and len(self._layouts) < MOST_LEARNED:
                places = tuple(names.index(name) if name in names else None for name in OF_ONE_ANSWER)
                self._layouts[place] = Layout(list(headers), places)
            return start_response(status, headers, *rest)

        return start


def _is_usual(environ: WSGIEnvironment) -> bool:
    length = environ.get("CONTENT_LENGTH") or ""
    return bool(
        environ["REQUEST_METHOD"] == "POST"
        and environ.get("CONTENT_TYPE") == "application/json"
        and environ.keys().isdisjoint(UNUSUAL)
        and not environ.get("SCRIPT_NAME")
        and not environ["QUERY_STRING"]
        and "HTTP_HOST" in environ
        and length.isdecimal()
        and int(length) <= LONGEST_BODY
    )


def _use(environ: WSGIEnvironment) -> Use | None:
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    # Whoever answers may read it again.
    environ["wsgi.input"] = BytesIO(body)
    try:
        row = parsing.read(body)
    except APIException:
        return None
    use = plain_use(row) if isinstance(row, dict) else None
    return use if use is not None and use.units > 0 else None


def _entry(use: Use) -> tuple[datetime | None, Entry | None]:
    now = clock.peek()
    try:
        now = now or clock.now()
        if use.at is not None and use.at > now + AHEAD:
            return now, None
        return now, purses.entry_of(use.user_id, use.feature_code, use.at or now)
    except Error:
        return None, None
    finally:
        # Given back to the pool at once: threads come and go.
        connection.close()


def _believed(token: str) -> Caller:
    until, asking = (
        (time.time() + KEY_SECONDS, service_keys.verify(token)) if token.startswith(SERVICE_KEY) else believed(token)
    )
    policy = limiting.policy_of(OPERATION, asking)
    held = limiting.lease(policy, asking.name) if settings.RATE_LIMITED else None
    return Caller(until, asking.name, reach_of(asking, OPERATION) is not None, policy, held)


def _body(use: Use, gone: Gone) -> bytes:
    return rendered(
        {
            "id": str(gone.item.id),
            "event_id": use.event_id,
            "user_id": use.user_id,
            "feature_code": use.feature_code,
            "units": use.units,
            "overage": gone.overage,
            "at": _told(gone.item.at),
            "recorded_at": _told(gone.recorded_at),
            "reservation_id": None,
            "corrects": None,
            "reason": "",
            "metadata": {},
        }
    )


def _told(moment: datetime) -> str:
    return f"{moment.isoformat()[:OFFSET]}Z"


def before(django: WSGIApplication) -> WSGIApplication:
    """Put the lane in front of Django; the setting USAGE_FAST_LANE closes it."""
    return UsageLane(django) if settings.USAGE_FAST_LANE else django
