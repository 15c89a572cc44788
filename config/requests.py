"""The first and last thing that touches a request: its id, its actor, its line in the log."""

from __future__ import annotations

import itertools
import json
import re
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import cache
from secrets import token_hex
from uuid import uuid4

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse

from config import logs
from events import context

log = structlog.get_logger("farebox.requests")
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
PROCESS = token_hex(10)
numbers = itertools.count(10**11)
Handler = Callable[[HttpRequest], HttpResponse]


def identify(get_response: Handler) -> Handler:
    """Give every request an id (the caller's own, when it is a plain token), answer with it, and log one line."""

    def middleware(request: HttpRequest) -> HttpResponse:
        request_id = id_of(request.headers.get("X-Request-Id", ""))
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
    return asked if REQUEST_ID.fullmatch(asked) else uuid4().hex


def numbered() -> str:
    """Return a new id, made fast: it names a request in somebody's logs, and keeps nobody out."""
    return PROCESS + str(next(numbers))


def tell(method: str, route: str, code: int, seconds: float, *, user_id: str = "") -> None:
    """Write the line of one request."""
    log.info(
        "request",
        method=method,
        route=route,
        code=code,
        duration_ms=round(seconds * 1000, 1),
        user_id=user_id,
    )


def method_of(request: HttpRequest) -> str:
    """Return the method, one of a few: a caller may invent them, and each would be a new series of numbers."""
    return request.method if request.method in METHODS else "OTHER"


def tell_together(route: str, answered: Iterable[tuple[str, float]]) -> None:
    """Write the same lines of POSTs that Django has not seen and that were answered 200 together: id, seconds."""
    line, now = _line(route, settings.AUTH_INSECURE_DEV), datetime.now(UTC).isoformat().replace("+00:00", "Z")
    lines = [line % (round(seconds * 1000, 1), now, request_id) for request_id, seconds in answered]
    logs.write("farebox.requests", "".join(lines))


@cache
def _line(route: str, insecure: bool) -> str:
    line = {
        "method": "POST",
        "route": route,
        "code": 200,
        "duration_ms": "%s",
        "user_id": "",
        "level": "info",
        "timestamp": "%s",
        "request_id": "%s",
        "actor": "anonymous",
        **({"INSECURE": "AUTH_INSECURE_DEV"} if insecure else {}),
        "message": "request",
        "caller": "requests:tell",
    }
    return json.dumps(line).replace('"duration_ms": "%s"', '"duration_ms": %s') + "\n"


def route_of(request: HttpRequest) -> str:
    """Return the route's pattern, so that ids neither fill the log nor multiply the metrics."""
    return request.resolver_match.route if request.resolver_match else "unknown"
