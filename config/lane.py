"""The fast lane for Stripe's events, in front of Django: the same functions as the view's, without what lies around it.

It answers what is good and nothing else: a signed event, stored, 200. Whatever is in any way unusual goes to Django,
which judges it. The headers of the answer are learned from Django's own.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from io import BytesIO
from typing import TYPE_CHECKING

import psycopg
from django.conf import settings

from billing import tasks, webhooks
from billing.errors import BillingError
from billing.views.webhooks import MAX_WEBHOOK_BYTES
from config import lane_store, metrics, requests
from config.celery import bell
from config.lane_layouts import Headers, Layout, Layouts
from vault import stops

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PATHS = {"/api/v1/webhooks/stripe", "/payments/webhook"}
# With one of these the answer may differ.
UNUSUAL = (
    "QUERY_STRING",
    "SCRIPT_NAME",
    "HTTP_ORIGIN",
    "HTTP_COOKIE",
    "HTTP_IDEMPOTENCY_KEY",
    "HTTP_TRANSFER_ENCODING",
)
# What the answer's headers depend on.
DEPENDS_ON = ("PATH_INFO", "wsgi.url_scheme", "HTTP_HOST", "SERVER_NAME", "SERVER_PORT", "HTTP_X_FORWARDED_PROTO")
BODIES = {new: b'{"received":true,"duplicate":%s}' % (b"false" if new else b"true") for new in (True, False)}
# What Django shall judge, or shall try again with a new connection.
FOR_DJANGO = (BillingError, psycopg.Error)
TALLIES = {
    path[1:]: metrics.Tally(
        [metrics.REQUESTS.labels("POST", path[1:], 200)], [metrics.SECONDS.labels("POST", path[1:])]
    )
    for path in PATHS
}


def before(django: WSGIApplication) -> WSGIApplication:
    """Put the lane in front of Django; the setting WEBHOOK_FAST_LANE closes it."""
    layouts = Layouts("200 ")

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] not in PATHS or not _is_usual(environ):
            return django(environ, start_response)
        place = tuple(map(environ.get, DEPENDS_ON))
        layout = layouts.get(place)
        if layout is None:
            return django(environ, layouts.learning(start_response, place))
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        answer = _answer(environ, body, layout)
        if answer is None:
            environ["wsgi.input"] = BytesIO(body)
            return django(environ, start_response)
        start_response("200 OK", answer[0])
        return [answer[1]]

    return application


def _is_usual(environ: WSGIEnvironment) -> bool:
    length = environ.get("CONTENT_LENGTH") or ""
    return (
        environ["REQUEST_METHOD"] == "POST"
        and settings.WEBHOOK_FAST_LANE
        and length.isdecimal()
        and int(length) <= MAX_WEBHOOK_BYTES
        and not any(map(environ.get, UNUSUAL))
    )


def _answer(environ: WSGIEnvironment, body: bytes, layout: Layout) -> tuple[Headers, bytes] | None:
    started, asked = time.perf_counter(), environ.get("HTTP_X_REQUEST_ID")
    try:
        news = webhooks.verified(body, environ.get("HTTP_STRIPE_SIGNATURE", ""))
        letter = lane_store.Letter(
            webhooks.row(news),
            looks=bool(news.looks_at),
            route=environ["PATH_INFO"][1:],
            request_id=requests.id_of(asked) if asked else requests.numbered(),
            started=started,
        )
        new = STORE.keep(letter)
    except FOR_DJANGO:
        return None
    if new is None:
        return None
    text = BODIES[new]
    return layout.headers(len(text), letter.request_id), text


def _keep(rows: list[webhooks.Row]) -> set[str]:
    with stops.around("commit.config.lane._keep"):
        return lane_store.write(rows)


def _tell(letters: Sequence[lane_store.Letter]) -> None:
    if any(letter.new and letter.looks for letter in letters):
        bell.soon(tasks.look_at_news)
    for route, tally in TALLIES.items():
        if stored := [(letter.request_id, letter.seconds) for letter in letters if letter.route == route]:
            requests.tell_together(route, stored)
            tally.tell_of([seconds for _, seconds in stored])


STORE = lane_store.Store(_keep, _tell)
# The one who wrote when the process was copied is not there to hand on.
os.register_at_fork(after_in_child=lambda: STORE.__init__(_keep, _tell))  # type: ignore[misc]
