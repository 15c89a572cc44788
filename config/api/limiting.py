"""How often one may ask: so many requests in any 60 seconds, counted once for each request.

Who has a good token is counted by name, everybody else by network. The counting is one atomic step in Valkey (DRF's own
throttle reads and then writes, and lets everybody through at once); while Valkey is away each process counts alone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from limits import RateLimitItemPerSecond
from limits.errors import StorageError
from limits.storage import MemoryStorage, RedisStorage, storage_from_string
from limits.strategies import MovingWindowRateLimiter
from redis.backoff import NoBackoff
from redis.retry import Retry
from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from config.api import windows
from config.api.addresses import network
from config.api.authentication import Principal, Role, principal
from config.api.leases import LIFE_SECONDS, Lease, Leases, Spent, told
from config.api.permissions import operation

if TYPE_CHECKING:
    from rest_framework.views import APIView  # It imports this module, by the settings.

Counted = TypeVar("Counted")
WINDOW_SECONDS = 60
# A check must not wait for a Valkey that is away, and not ask it again with every request.
VALKEY_SECONDS, AWAY_SECONDS = 0.25, 5.0
DEFAULT, WEBHOOKS = "default", "webhooks"
OF_OPERATION = {"POST checkout-sessions": "checkout", "POST refunds": "refunds"}
# What a service does with every request of its own users.
CHECKS = {
    *("GET entitlement-check", "POST entitlement-check", "POST entitlement-check-bulk"),
    *("POST ofrep-flag", "POST ofrep-flags"),
    *("POST usage", "POST usage-batch", "POST reservations", "POST reservation-commit", "POST reservation-release"),
}
WEBHOOK = "POST stripe-webhook"
# Where a lane leaves what it has counted of a request that Django is to answer; no header's name has a dot.
COUNTED = "farebox.counted"


class ByPolicy(BaseThrottle):
    """Counts a request whose token was good, or that needs none."""

    _spent: Spent | None = None

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Say whether the request is within its policy. A webhook is judged by its signature first."""
        if operation(request) == WEBHOOK:
            return True
        self._spent = count(request)
        return self._spent is None or self._spent.allowed

    def wait(self) -> float | None:
        """Return the seconds until it may be asked again."""
        return self._spent.reset if self._spent else None


def count(request: Request) -> Spent | None:
    """Count the request, once however often this is called. None when nothing is limited."""
    raw: Any = request._request
    if settings.RATE_LIMITED and not hasattr(raw, "spent"):
        raw.spent = raw.META.get(COUNTED)
    if settings.RATE_LIMITED and raw.spent is None:
        asked = operation(request)
        policy, who = policy_of(asked, principal(request)), _who(request)
        raw.spent = lease(policy, who).spend() if asked in CHECKS else spend(policy, who)
    found: Spent | None = getattr(raw, "spent", None)
    return found


def refuse_beyond(request: Request) -> Throttled | None:
    """Count a request that was refused before it was counted; return the refusal when it is one too many."""
    spent = count(request)
    return None if spent is None or spent.allowed else Throttled(wait=spent.reset)


def spend(policy: str, who: str, cost: int = 1) -> Spent:
    """Take so many from the quota of `who`, all or none."""
    return counted(lambda limiter: _spend(limiter, policy, who, cost))


def lease(policy: str, who: str) -> Lease:
    """Return what this process holds of the quota of `who`, for what is asked more often than Valkey could be."""
    return _leases(settings.APP_NAME).of(policy, who)


def counted(count: Callable[[MovingWindowRateLimiter], Counted]) -> Counted:
    """Count in Valkey or, while that is away, in this process."""
    global _away_until
    if time.monotonic() >= _away_until:
        try:
            return count(_shared(settings.REDIS_URL))
        except StorageError:
            _away_until = time.monotonic() + AWAY_SECONDS
    # `cache` would make one storage for each thread that comes first, and the storage drops locks that are still held.
    with _counting_alone:
        return count(_local())


def show(response: HttpResponse, request: HttpRequest) -> None:
    """Tell the caller his quota (draft-ietf-httpapi-ratelimit-headers-10)."""
    spent: Spent | None = getattr(request, "spent", None)
    if spent:
        response["RateLimit-Policy"] = f'"{spent.policy}";q={spent.quota};w={WINDOW_SECONDS}'
        response["RateLimit"] = told(spent.policy, spent.remaining, spent.reset)


def _spend(limiter: MovingWindowRateLimiter, policy: str, who: str, cost: int) -> Spent:
    quota = settings.RATE_LIMITS[policy]
    # What is leased may be used a little later than it is counted.
    item = RateLimitItemPerSecond(quota, WINDOW_SECONDS + LIFE_SECONDS)
    allowed, reset, remaining = windows.take(limiter, item, policy, who, cost=cost)
    seconds = min(WINDOW_SECONDS, max(1, round(reset - time.time())))
    return Spent(policy, quota, allowed, max(0, remaining) if allowed else 0, seconds)


def policy_of(asked: str, asking: Principal) -> str:
    """Name the policy by which an operation is counted."""
    if asked == WEBHOOK:
        return WEBHOOKS
    if asked in CHECKS and asking.role is Role.SERVICE:
        return "service_checks"
    return OF_OPERATION.get(asked, DEFAULT)


def _who(request: Request) -> str:
    asking = principal(request)
    return asking.name if asking.is_authenticated else f"from:{network(request._request)}"


_away_until = 0.0
_counting_alone = threading.Lock()


@cache
def _shared(url: str) -> MovingWindowRateLimiter:
    options: dict[str, Any] = {
        "socket_timeout": VALKEY_SECONDS,
        "socket_connect_timeout": VALKEY_SECONDS,
        "retry": Retry(NoBackoff(), 0),
    }
    storage = storage_from_string(url, wrap_exceptions=True, key_prefix=f"{settings.APP_NAME}:limits", **options)
    return windows.Windows(storage) if isinstance(storage, RedisStorage) else MovingWindowRateLimiter(storage)


@cache
def _leases(_application: str) -> Leases:
    return Leases(spend)


@cache
def _local() -> MovingWindowRateLimiter:
    return MovingWindowRateLimiter(MemoryStorage())
