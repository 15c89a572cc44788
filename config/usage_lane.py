"""The fast lane for one plain use, in front of Django: those who come at the same moment are written down together.

It answers when everything is known: a token that was verified and still holds, a plain use of one counter, the
database's time, a rest of the quota, and that the use was written down now. Every other request goes to Django as it
came: what was written down before, what does not fit, what reaches a threshold.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import datetime
from io import BytesIO
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import Error, connection
from rest_framework.exceptions import APIException

from config import metrics
from config.api import limiting, parsing
from config.api.leases import told
from config.lane_callers import Caller, Callers, is_plain_post
from config.lane_layouts import Headers, Layout, Layouts
from entitlements import purses
from entitlements.convoys import Convoy, Gone
from entitlements.serializers.rendering import finished, quoted
from entitlements.serializers.usage import plain_use
from entitlements.together import Entry
from entitlements.usage import AHEAD, Use
from events import clock

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PATH, OPERATIONS, LONGEST_BODY = "/api/v1/usage", {"POST": "POST usage"}, 4096
OFFSET = -len("+00:00")


class UsageLane:
    """One lane; what it remembers is bounded, and is forgotten with the process."""

    def __init__(self, django: WSGIApplication):
        self._django = django
        self._callers = Callers(OPERATIONS)
        self._layouts = Layouts("201 ")
        self._convoy = Convoy()
        counted = [metrics.REQUESTS.labels("POST", PATH[1:], 201)], [metrics.SECONDS.labels("POST", PATH[1:])]
        self._tally = metrics.Tally(*counted)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer, or let Django answer."""
        if environ["PATH_INFO"] != PATH or not is_plain_post(environ, LONGEST_BODY):
            return self._django(environ, start_response)
        started = time.perf_counter()
        use, caller = _use(environ), self._callers.of(environ.get("HTTP_AUTHORIZATION", ""))
        if use is None or caller is None or caller.reaches["POST"] is None:
            return self._django(environ, start_response)
        place = tuple(environ.get(name) for name in ("HTTP_HOST", "wsgi.url_scheme", "HTTP_X_FORWARDED_PROTO"))
        layout = self._layouts.get((*place, caller.policy))
        if layout is None:
            return self._django(environ, self._layouts.learning(start_response, (*place, caller.policy)))
        answer = self._answer(environ, use, caller, layout)
        if answer is None:
            return self._django(environ, start_response)
        start_response("201 Created", answer[0])
        self._tally.note(started, time.perf_counter())
        return [answer[1]]

    def _answer(
        self, environ: WSGIEnvironment, use: Use, caller: Caller, layout: Layout
    ) -> tuple[Headers, bytes] | None:
        (now, entry), limit = _entry(use), ""
        if now is None or entry is None or layout.counts != (caller.lease is not None):
            return None
        if caller.lease is not None:
            # It was asked once, whoever answers.
            environ[limiting.COUNTED] = spent = caller.lease.spend()
            if not spent.allowed:
                return None
            limit = told(spent.policy, spent.remaining, spent.reset)
        gone = self._convoy.ride(use, use.asking(caller.name), entry, now)
        if gone is None:
            return None
        text = _body(use, gone)
        return layout.headers(len(text), environ.get("HTTP_X_REQUEST_ID"), limit), text


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
    if now is not None and (use.at is None or use.at <= now + AHEAD):
        purse = purses.near(use.user_id, use.feature_code, use.at or now)
        if purse is not None:
            return now, purse.entry
    return _asked(use, now)


def _asked(use: Use, now: datetime | None) -> tuple[datetime | None, Entry | None]:
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


def _body(use: Use, gone: Gone) -> bytes:
    # As `rendered` writes it, and sooner.
    return finished(
        f'{{"id":"{gone.item.id}","event_id":{quoted(use.event_id)},"user_id":{quoted(use.user_id)},'
        f'"feature_code":{quoted(use.feature_code)},"units":{use.units},"overage":{gone.overage},'
        f'"at":"{_told(gone.item.at)}","recorded_at":"{_told(gone.recorded_at)}",'
        '"reservation_id":null,"corrects":null,"reason":"","metadata":{}}'
    )


def _told(moment: datetime) -> str:
    return f"{moment.isoformat()[:OFFSET]}Z"


def before(django: WSGIApplication) -> WSGIApplication:
    """Put the lane in front of Django; the setting USAGE_FAST_LANE closes it."""
    return UsageLane(django) if settings.USAGE_FAST_LANE else django
