"""The fast lane for bulk checks, in front of Django: the same functions on the same facts, without what is around them.

It answers when everything is known: a token that was verified and still holds, a question of now within the caller's
reach, a rest of the quota. Every other request goes to Django as it came. The headers of the answer are learned from
Django's own.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from io import BytesIO
from typing import TYPE_CHECKING

from django.conf import settings

from config import metrics
from config.api import limiting
from config.api.leases import told
from config.api.parsing import MAX_BODY_BYTES
from config.api.roles import Reach
from config.lane_callers import Caller, Callers, is_plain_post
from config.lane_layouts import Headers, Layout, Layouts
from config.lane_lists import Listed, Lists
from config.lane_pages import Pages

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PATH, OPERATIONS = "/api/v1/entitlements/check-bulk", {"POST": "POST entitlement-check-bulk"}


class BulkLane:
    """One lane; what it remembers is bounded, and is forgotten with the process."""

    def __init__(self, django: WSGIApplication):
        self._django = django
        self._callers = Callers(OPERATIONS)
        self._layouts = Layouts("200 ")
        self._lists, self._pages = Lists(), Pages()
        counted = [metrics.REQUESTS.labels("POST", PATH[1:], 200)], [metrics.SECONDS.labels("POST", PATH[1:])]
        self._tally = metrics.Tally(*counted)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer, or let Django answer."""
        if environ["PATH_INFO"] != PATH or not is_plain_post(environ, MAX_BODY_BYTES):
            return self._django(environ, start_response)
        now, caller = time.monotonic(), self._callers.of(environ.get("HTTP_AUTHORIZATION", ""))
        if caller is None or caller.reaches["POST"] is None:
            return self._django(environ, start_response)
        place = tuple(environ.get(name) for name in ("HTTP_HOST", "wsgi.url_scheme", "HTTP_X_FORWARDED_PROTO"))
        layout = self._layouts.get((*place, caller.policy))
        if layout is None:
            return self._django(environ, self._layouts.learning(start_response, (*place, caller.policy)))
        answer = self._answer(environ, caller, layout, now)
        if answer is None:
            return self._django(environ, start_response)
        start_response("200 OK", answer[0])
        self._tally.note(now, time.monotonic())
        return [answer[1]]

    def _answer(
        self, environ: WSGIEnvironment, caller: Caller, layout: Layout, now: float
    ) -> tuple[Headers, bytes] | None:
        limit = ""
        if layout.counts != (caller.lease is not None):
            return None
        if caller.lease is not None:
            # Before the work, which may be ten thousand answers; and once, whoever answers.
            environ[limiting.COUNTED] = spent = caller.lease.spend()
            if not spent.allowed:
                return None
            limit = told(spent.policy, spent.remaining, spent.reset)
        asked = self._asked(environ)
        text = self._pages.body(asked, now) if asked and _reaches(caller, asked) else None
        if text is None:
            return None
        return layout.headers(len(text), environ.get("HTTP_X_REQUEST_ID"), limit), text

    def _asked(self, environ: WSGIEnvironment) -> Listed | None:
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        # Whoever answers may read it again.
        environ["wsgi.input"] = BytesIO(body)
        return self._lists.of(body)


def _reaches(caller: Caller, asked: Listed) -> bool:
    return caller.reaches["POST"] is Reach.ANY or asked.user_ids == (caller.user_id,)


def before(django: WSGIApplication) -> WSGIApplication:
    """Put the lane in front of Django; the setting CHECK_FAST_LANE closes it."""
    return BulkLane(django) if settings.CHECK_FAST_LANE else django
