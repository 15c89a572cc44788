"""The first and last thing that touches a request: its id, its actor, its line in the log."""

from __future__ import annotations

import itertools
import json
import os
import re
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import cache
from json.encoder import encode_basestring_ascii as quoted
from secrets import token_hex

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from config import logs
from events import context

LOG = "farebox.requests"
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
PROCESS = token_hex(10)
ANONYMOUS = quoted("anonymous")
numbers = itertools.count(10**11)
Handler = Callable[[HttpRequest], HttpResponse]


def identify(get_response: Handler) -> Handler:
    """Give every request an id (the caller's own, when it is a plain token), answer with it, and log one line."""

    def middleware(request: HttpRequest) -> HttpResponse:
        request_id = id_of(request.META.get("HTTP_X_REQUEST_ID", ""))
        tokens = context.request_id.set(request_id), context.actor.set("anonymous")
        started = time.perf_counter()
        try:
            response = get_response(request)
            response["X-Request-Id"] = request_id
            seconds = time.perf_counter() - started
            user_id = getattr(request, "principal_id", "")
            tell(method_of(request), route_of(request), response.status_code, seconds, user_id=user_id)
        finally:
            context.request_id.reset(tokens[0])
            context.actor.reset(tokens[1])
        return response

    return middleware


def id_of(asked: str) -> str:
    """Return the id that the caller asked for, when it is a plain token, else a new one."""
    return asked if REQUEST_ID.fullmatch(asked) else numbered()


def _named_anew() -> None:
    global PROCESS
    PROCESS = token_hex(10)


# A copied process has the same number before it.
os.register_at_fork(after_in_child=_named_anew)


def numbered() -> str:
    """Return a new id, made fast: it names a request in somebody's logs, and keeps nobody out."""
    return PROCESS + str(next(numbers))


def tell(method: str, route: str, code: int, seconds: float, *, user_id: str = "") -> None:
    """Write the line of one request."""
    line = _line(method, route, code, settings.AUTH_INSECURE_DEV)
    said = quoted(user_id), _now(), quoted(context.request_id.get()), quoted(context.actor.get())
    logs.write(LOG, line % (round(seconds * 1000, 1), *said))


def method_of(request: HttpRequest) -> str:
    """Return the method, one of a few: a caller may invent them, and each would be a new series of numbers."""
    return request.method if request.method in METHODS else "OTHER"


def tell_together(route: str, answered: Iterable[tuple[str, float]]) -> None:
    """Write the same lines of POSTs that Django has not seen and that were answered 200 together: id, seconds."""
    line, now, nobody = _line("POST", route, 200, settings.AUTH_INSECURE_DEV), _now(), quoted("")
    lines = [
        line % (round(seconds * 1000, 1), nobody, now, quoted(request_id), ANONYMOUS)
        for request_id, seconds in answered
    ]
    logs.write(LOG, "".join(lines))


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


@cache
def _line(method: str, route: str, code: int, insecure: bool) -> str:
    line = {
        "method": method,
        "route": route.replace("%", "%%"),
        "code": code,
        "duration_ms": "%s",
        "user_id": "%s",
        "level": "info",
        "timestamp": "%s",
        "request_id": "%s",
        "actor": "%s",
        **({"INSECURE": "AUTH_INSECURE_DEV"} if insecure else {}),
        "message": "request",
        "caller": "requests:tell",
    }
    text = json.dumps(line)
    for name in ("duration_ms", "user_id", "request_id", "actor"):
        text = text.replace(f'"{name}": "%s"', f'"{name}": %s')
    return text + "\n"


def route_of(request: HttpRequest) -> str:
    """Return the route's pattern, so that ids neither fill the log nor multiply the metrics."""
    return request.resolver_match.route if request.resolver_match else "unknown"
