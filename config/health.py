"""Is this process alive, and can it do its work?"""

from __future__ import annotations

from collections.abc import Callable

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse


def healthz(_request: HttpRequest) -> HttpResponse:
    """Answer `ok` while the process lives (003)."""
    return HttpResponse("ok", content_type="text/plain")


def health(_request: HttpRequest) -> JsonResponse:
    """Answer `{"status": "healthy"}` while Postgres answers (002)."""
    well = _postgres() == "ok"
    return JsonResponse({"status": "healthy" if well else "unhealthy"}, status=200 if well else 503)


def readyz(_request: HttpRequest) -> JsonResponse:
    """Say whether requests may be sent here. Only Postgres counts: a lost Valkey costs latency, not readiness."""
    parts = {"postgres": _postgres(), "valkey": _valkey()}
    ready = parts["postgres"] == "ok"
    return JsonResponse({"status": "ready" if ready else "not ready", "parts": parts}, status=200 if ready else 503)


def _postgres() -> str:
    def ask() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pricing_zone LIMIT 1")

    return _outcome(ask, DatabaseError)


def _valkey() -> str:
    def ask() -> None:
        with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=0.5, socket_connect_timeout=0.5) as client:
            client.ping()

    return _outcome(ask, redis.RedisError)


def _outcome(ask: Callable[[], None], error: type[Exception]) -> str:
    try:
        ask()
    except error as reason:
        return type(reason).__name__
    return "ok"
