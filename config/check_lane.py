"""The fast lane for checks, in front of Django: the same functions on the same facts, without what lies around them.

It answers when everything is known: a token that was verified and still holds, a plain question within the caller's
reach, a fresh snapshot, the database's time, a rest of the quota. Every other request goes to Django as it came. The
headers of the answer are learned from Django's own.
"""

from __future__ import annotations

from collections.abc import Iterable
from io import BytesIO
from time import monotonic
from typing import TYPE_CHECKING

from django.conf import settings

from config import metrics
from config.api.roles import Reach
from config.lane_answers import body
from config.lane_callers import UNUSUAL, Caller, Callers
from config.lane_layouts import Layouts
from config.lane_questions import LONGEST_BODY, Asked, Questions

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PATH = "/api/v1/entitlements/check"
ANY, OWN = Reach.ANY, Reach.OWN
GET = "GET"
OPERATIONS = {method: f"{method} entitlement-check" for method in (GET, "POST")}


class CheckLane:
    """One lane; what it remembers is bounded, and is forgotten with the process."""

    def __init__(self, django: WSGIApplication):
        self._django = django
        self._callers = Callers(OPERATIONS)
        self._layouts = Layouts("200 ")
        self._questions = Questions()
        self._note = {
            method: metrics.Tally(
                [metrics.REQUESTS.labels(method, PATH[1:], 200)], [metrics.SECONDS.labels(method, PATH[1:])]
            ).note
            for method in OPERATIONS
        }
        # Found once: each search would be made for every check.
        self._of_query, self._caller_of, self._layout_of = self._questions.of_query, self._callers.of, self._layouts.get

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer, or let Django answer."""
        if environ["PATH_INFO"] != PATH or not environ.keys().isdisjoint(UNUSUAL) or environ.get("SCRIPT_NAME"):
            return self._django(environ, start_response)
        now, method, get = monotonic(), environ["REQUEST_METHOD"], environ.get
        if method == GET and not get("CONTENT_LENGTH"):
            # The same word, whose hash is known.
            method, asked = GET, self._of_query(environ["QUERY_STRING"])
        else:
            asked = self._posted(environ, method)
        caller, host = self._caller_of(get("HTTP_AUTHORIZATION", "")) if asked else None, get("HTTP_HOST")
        if asked is None or caller is None or host is None:
            return self._django(environ, start_response)
        place = method, caller.policy, host, environ["wsgi.url_scheme"], get("HTTP_X_FORWARDED_PROTO")
        layout = self._layout_of(place)
        if layout is None:
            return self._django(environ, self._layouts.learning(start_response, place))
        lease, text = caller.lease, self._body(caller, asked, method, now)
        limit = ""
        if text is None or layout.counts != (lease is not None) or (lease and not (limit := lease.told(now) or "")):
            return self._django(environ, start_response)
        start_response("200 OK", layout.headers(len(text), get("HTTP_X_REQUEST_ID"), limit))
        self._note[method](now, monotonic())
        return [text]

    def _posted(self, environ: WSGIEnvironment, method: str) -> Asked | None:
        length = environ.get("CONTENT_LENGTH")
        if method == GET:
            return self._of_query(environ["QUERY_STRING"]) if length == "0" else None
        if method != "POST" or environ["QUERY_STRING"] or not length or not length.isdecimal():
            return None
        if int(length) > LONGEST_BODY:
            return None
        body = environ["wsgi.input"].read(int(length))
        # Whoever answers may read it again.
        environ["wsgi.input"] = BytesIO(body)
        return self._questions.of_body(body, environ.get("CONTENT_TYPE", ""))

    def _body(self, caller: Caller, asked: Asked, method: str, now: float) -> bytes | None:
        reach, user_id = caller.reaches[method], asked.user_id
        if reach is ANY and user_id is not None:
            return body(user_id, asked, now)
        if reach is OWN and (user_id is None or user_id == caller.user_id):
            mine = asked if user_id else self._questions.of_oneself(asked, caller.user_id)
            return body(caller.user_id, mine, now) if mine else None
        return None


def before(django: WSGIApplication) -> WSGIApplication:
    """Put the lane in front of Django; the setting CHECK_FAST_LANE closes it."""
    return CheckLane(django) if settings.CHECK_FAST_LANE else django
