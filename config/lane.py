"""The fast lane for Stripe's events, in front of Django: the same functions as the view's, without what lies around it.

It answers what is good and nothing else: a signed event, stored, 200. Whatever is in any way unusual goes to Django,
which judges it. The headers of the answer are learned from Django's own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import TYPE_CHECKING, Any

import psycopg
import psycopg_pool
from django.conf import settings
from django.db import connection

from billing import tasks, webhooks
from billing.errors import BillingError
from billing.views.webhooks import MAX_WEBHOOK_BYTES
from config import metrics, requests
from config.celery import bell
from vault import stops

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Headers = list[tuple[str, str]]
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
MOST_LEARNED = 64
OF_ONE_ANSWER = {"content-length", "x-request-id"}
BODIES = {new: b'{"received":true,"duplicate":%s}' % (b"false" if new else b"true") for new in (True, False)}
# What Django shall judge, or shall try again with a new connection.
FOR_DJANGO = (BillingError, psycopg.Error, psycopg_pool.PoolTimeout)


def before(django: WSGIApplication) -> WSGIApplication:
    """Put the lane in front of Django; the setting WEBHOOK_FAST_LANE closes it."""
    learned: dict[tuple[Any, ...], Headers] = {}

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] not in PATHS or not _is_usual(environ):
            return django(environ, start_response)
        place = tuple(environ.get(name) for name in DEPENDS_ON)
        if place not in learned:
            return django(environ, _learning(start_response, place, learned))
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        answer = _answer(environ, body, learned[place])
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
        and not any(environ.get(name) for name in UNUSUAL)
    )


def _learning(start_response: StartResponse, place: tuple[Any, ...], learned: dict[Any, Headers]) -> StartResponse:
    def start(status: str, headers: Headers, *rest: Any) -> Callable[[bytes], object]:
        if status.startswith("200 ") and len(learned) < MOST_LEARNED:
            learned[place] = list(headers)
        return start_response(status, headers, *rest)

    return start


def _answer(environ: WSGIEnvironment, body: bytes, learned: Headers) -> tuple[Headers, bytes] | None:
    started, request_id = time.perf_counter(), requests.id_of(environ.get("HTTP_X_REQUEST_ID", ""))
    try:
        news = webhooks.verified(body, environ.get("HTTP_STRIPE_SIGNATURE", ""))
        new = _keep(news)
    except FOR_DJANGO:
        return None
    if new and news.looks_at:
        bell.soon(tasks.look_at_news)
    text = BODIES[new]
    said = {"content-length": str(len(text)), "x-request-id": request_id}
    headers = [(name, said.get(name.lower(), value)) for name, value in learned]
    _tell(environ["PATH_INFO"][1:], request_id, time.perf_counter() - started)
    return headers, text


def _keep(news: webhooks.News) -> bool:
    pool = connection.pool  # type: ignore[attr-defined]
    with stops.around("commit.config.lane._keep"), pool.connection() as own:
        # Without Django's wrapper around it, and given back at once: threads come and go.
        return bool(psycopg.Cursor(own).execute(webhooks.STORE, webhooks.row(news)).rowcount)


def _tell(route: str, request_id: str, seconds: float) -> None:
    requests.tell_at_once("POST", route, 200, seconds, request_id=request_id)
    metrics.REQUESTS.labels("POST", route, 200).inc()
    metrics.SECONDS.labels("POST", route).observe(seconds)
