"""The first and last thing that touches a request: its id, its actor, its line in the log."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from uuid import uuid4

import structlog
from django.http import HttpRequest, HttpResponse

from events import context

log = structlog.get_logger("farebox.requests")
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
Handler = Callable[[HttpRequest], HttpResponse]


def identify(get_response: Handler) -> Handler:
    """Give every request an id (the caller's own, when it is a plain token), answer with it, and log one line."""

    def middleware(request: HttpRequest) -> HttpResponse:
        asked = request.headers.get("X-Request-Id", "")
        request_id = asked if REQUEST_ID.fullmatch(asked) else uuid4().hex
        tokens = context.request_id.set(request_id), context.actor.set("anonymous")
        started = time.perf_counter()
        try:
            response = get_response(request)
            response["X-Request-Id"] = request_id
            _log(request, response, time.perf_counter() - started)
        finally:
            context.request_id.reset(tokens[0])
            context.actor.reset(tokens[1])
        return response

    return middleware


def _log(request: HttpRequest, response: HttpResponse, seconds: float) -> None:
    log.info(
        "request",
        method=method_of(request),
        route=route_of(request),
        code=response.status_code,
        duration_ms=round(seconds * 1000, 1),
        user_id=getattr(request, "principal_id", ""),
    )


def method_of(request: HttpRequest) -> str:
    """Return the method, one of a few: a caller may invent them, and each would be a new series of numbers."""
    return request.method if request.method in METHODS else "OTHER"


def route_of(request: HttpRequest) -> str:
    """Return the route's pattern, so that ids neither fill the log nor multiply the metrics."""
    return request.resolver_match.route if request.resolver_match else "unknown"
