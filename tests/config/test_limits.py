"""How often one may ask: exactly so often, also by sixteen threads at once, and also while Valkey is away."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.conf import LazySettings, settings
from django.test import Client, RequestFactory
from limits import RateLimitItemPerMinute, RateLimitItemPerSecond
from limits.strategies import MovingWindowRateLimiter, RateLimiter

from billing.models import WebhookEvent
from config.api import addresses, limiting
from tests.api import api, token
from tests.shown import Shown

LIMIT, THREADS, TRIES = 50, 16, 320
UNKNOWN = "/api/v1/plans?nothing=1"


@pytest.fixture(autouse=True)
def limited(settings: LazySettings, unlimited: None) -> Iterator[None]:
    """Switch the limits on, under names that no other test has counted."""
    settings.RATE_LIMITED, settings.APP_NAME = True, f"farebox-{uuid4().hex}"
    # Those that stand where nothing is said; the machine that tests may say other ones.
    settings.RATE_LIMITS = {"default": 100, "checkout": 10, "refunds": 5, "service_checks": 6000, "webhooks": 60}
    limiting._shared.cache_clear()
    limiting._local.cache_clear()
    limiting._away_until = 0.0
    # No window of a minute ends in the midst of a count, however slow the machine is.
    with time_machine.travel(time.time(), tick=False):
        yield
    limiting._shared.cache_clear()
    limiting._local.cache_clear()
    limiting._away_until = 0.0


def at_once(act: Callable[[], Any]) -> list[Any]:
    ready = threading.Barrier(THREADS)

    def together(_: int) -> list[Any]:
        ready.wait()
        return [act() for _ in range(TRIES // THREADS)]

    with ThreadPoolExecutor(THREADS) as pool:
        return [found for some in pool.map(together, range(THREADS)) for found in some]


@pytest.mark.parametrize("valkey", [True, False], ids=["in Valkey", "without Valkey"])
def test_sixteen_threads_pass_exactly_as_often_as_one_may(settings: LazySettings, valkey: bool, shown: Shown) -> None:
    """DRF's own throttle let 320 of 320 through."""
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "default": LIMIT}
    settings.REDIS_URL = settings.REDIS_URL if valkey else "redis://127.0.0.1:1/0"

    passed = [spent.allowed for spent in at_once(lambda: limiting.spend("default", "user:anna"))]

    assert passed.count(True) == LIMIT
    where = "Valkey" if valkey else "one process, Valkey away"
    shown(f"{TRIES} requests by {THREADS} threads at a limit of {LIMIT} ({where}): {passed.count(True)} passed")


class ReadThenWrite(MovingWindowRateLimiter):
    """What a limiter without its lock does: look, and then write."""

    def hit(self, item: Any, *identifiers: str, cost: int = 1) -> bool:
        free = super().test(item, *identifiers, cost=cost)
        if free:
            # The entry is written whatever stands there by now: nothing looks again.
            super().hit(RateLimitItemPerMinute(10**6), *identifiers, cost=cost)
        return free


def test_without_its_lock_more_pass(shown: Shown) -> None:
    """The twin: the same threads, and the look apart from the writing."""
    limiter: RateLimiter = ReadThenWrite(limiting._shared(settings.REDIS_URL).storage)
    item = RateLimitItemPerMinute(LIMIT)
    looked = threading.Barrier(THREADS)

    def hit() -> bool:
        free = limiter.test(item, "user:anna")
        looked.wait()
        return free and limiter.hit(RateLimitItemPerMinute(10**6), "user:anna")

    passed = at_once(hit)

    assert passed.count(True) > LIMIT
    shown(f"the same without the lock: {passed.count(True)} passed")


@pytest.mark.django_db
def test_the_hundred_and_first_request_is_told_when_to_come_again() -> None:
    """SE-04: RATE_LIMIT_PER_MINUTE is 100, counted by the token's owner."""
    anna, ben = api("anna"), api("ben")

    answers = [anna.get(UNKNOWN) for _ in range(101)]

    assert {answer.status_code for answer in answers[:100]} == {400}
    late = answers[100]
    assert (late.status_code, late.json()["code"]) == (429, "throttled")
    assert 1 <= int(late.headers["Retry-After"]) <= 60
    assert late.headers["RateLimit-Policy"] == '"default";q=100;w=60'
    assert late.headers["RateLimit"].startswith('"default";r=0;t=')
    assert answers[0].headers["RateLimit"] == '"default";r=99;t=60'
    assert ben.get(UNKNOWN).status_code == 400


def test_bad_tokens_are_counted_by_network() -> None:
    """Guessing is limited, and touches no database."""
    client = Client(headers={"Authorization": "Bearer x.y.z"})

    codes = [client.get("/api/v1/payments").status_code for _ in range(102)]

    assert (codes[:100], codes[100:]) == ([401] * 100, [429] * 2)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("role", "method", "path", "policy", "quota"),
    [
        ("user", "post", "/api/v1/checkout-sessions", "checkout", 10),
        ("admin", "post", "/api/v1/refunds", "refunds", 5),
        ("user", "get", "/api/v1/entitlements/check", "default", 100),
        ("service", "get", "/api/v1/entitlements/check", "service_checks", 6000),
        ("service", "post", "/api/v1/entitlements/check", "service_checks", 6000),
        ("service", "get", "/api/v1/payments", "default", 100),
    ],
)
def test_every_operation_has_its_policy(role: str, method: str, path: str, policy: str, quota: int) -> None:
    answer = api("anna", role).generic(method.upper(), path, b"{}", content_type="application/json")

    assert answer.headers["RateLimit-Policy"] == f'"{policy}";q={quota};w=60'
    assert answer.headers["RateLimit"].startswith(f'"{policy}";r={quota - 1};t=')


def test_unsigned_webhooks_are_limited_and_signed_ones_are_not(books: None, stripe_side: Any) -> None:
    """60 a minute; Stripe itself may send as many as it has."""
    forged = [stripe_side.send(b"{}", signature="t=1,v1=00").status_code for _ in range(62)]

    signed = [stripe_side.send(b"{}").status_code for _ in range(70)]

    assert (forged[:60], forged[60:]) == ([400] * 60, [429] * 2)
    assert set(signed) == {400}
    assert not WebhookEvent.objects.exists()


@pytest.mark.parametrize(
    ("trusted", "forwarded", "connected", "network"),
    [
        (0, "9.9.9.9", "1.1.1.1", "1.1.1.1"),
        (1, "9.9.9.9, 2.2.2.2", "1.1.1.1", "2.2.2.2"),
        (2, "9.9.9.9, 2.2.2.2, 3.3.3.3", "1.1.1.1", "2.2.2.2"),
        (2, "2.2.2.2", "1.1.1.1", "1.1.1.1"),
        (1, "", "1.1.1.1", "1.1.1.1"),
        (1, "nonsense", "1.1.1.1", "1.1.1.1"),
        (1, "2001:db8:1:2:3:4:5:6", "1.1.1.1", "2001:db8:1:2::/64"),
        (0, "", "2001:db8:1:2::9", "2001:db8:1:2::/64"),
        (0, "", "::ffff:1.2.3.4", "1.2.3.4"),
        (0, "", "", "unknown"),
    ],
)
def test_the_network_is_what_the_trusted_proxies_say(
    settings: LazySettings, trusted: int, forwarded: str, connected: str, network: str
) -> None:
    """From the right of X-Forwarded-For; an IPv6 caller is his /64."""
    settings.TRUSTED_PROXY_COUNT = trusted
    request = RequestFactory().get("/", headers={"X-Forwarded-For": forwarded}, REMOTE_ADDR=connected)

    assert addresses.network(request) == network


@pytest.mark.django_db
def test_without_valkey_the_process_counts_alone(settings: LazySettings) -> None:
    """Ruling 37: a lost Valkey costs nothing but the sharing of the count; it is not asked again with each request."""
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    client = Client(headers={"Authorization": f"Bearer {token('eve')}"})

    codes = [client.get(UNKNOWN).status_code for _ in range(101)]

    assert codes.count(429) == 1
    assert limiting._away_until > 0


@pytest.mark.parametrize("seed", range(6))
def test_one_round_trip_takes_and_tells_as_two_do(seed: int, shown: Shown) -> None:
    """Over random histories: `limits`' own two steps beside the one, after each of which both say the same."""
    dice, storage = random.Random(seed), limiting._shared(settings.REDIS_URL).storage
    one, two = limiting._shared(settings.REDIS_URL), MovingWindowRateLimiter(storage)
    item = RateLimitItemPerSecond((1, 7, 50)[seed % 3], 61)
    refused = 0

    with time_machine.travel(time.time(), tick=False) as traveller:
        for _ in range(120):
            cost = dice.choice([1, 1, 1, 2, 5, item.amount, item.amount + 1])
            allowed, reset, remaining = one.take(item, "one", cost=cost)
            assert allowed == two.hit(item, "two", cost=cost)
            assert (reset, remaining) == tuple(two.get_window_stats(item, "two"))
            assert one.get_window_stats(item, "one") == (reset, remaining)
            refused += not allowed
            traveller.shift(dice.choice([0, 0.001, 1.5, 10, 30.5, 61, 61.000001]))

    assert 0 < refused < 120
    shown(f"a window of {item.amount}: 120 times the same by one round trip and by two, {refused} refused")
