"""The first and last thing that touches a request: its id, its actor, its line in the log."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import uuid4

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse

from config import logs
from events import context

log = structlog.get_logger("farebox.requests")
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
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


def tell_at_once(method: str, route: str, code: int, seconds: float, *, request_id: str) -> None:
    """Write the same line of a request that Django has not seen, in a tenth of the time."""
    line = {
        "method": method,
        "route": route,
        "code": code,
        "duration_ms": round(seconds * 1000, 1),
        "user_id": "",
        "level": "info",
        "timestamp": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "request_id": request_id,
        "actor": "anonymous",
        **({"INSECURE": "AUTH_INSECURE_DEV"} if settings.AUTH_INSECURE_DEV else {}),
        "message": "request",
        "caller": "requests:tell",
    }
    logs.write("farebox.requests", line)


def route_of(request: HttpRequest) -> str:
    """Return the route's pattern, so that ids neither fill the log nor multiply the metrics."""
    return request.resolver_match.route if request.resolver_match else "unknown"
