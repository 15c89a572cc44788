"""Stripe is asked so often a second and no more; without Valkey too, and never for ever."""

from __future__ import annotations

import time
from datetime import timedelta
from uuid import uuid4

import pytest
from django.conf import LazySettings

from billing import reconcile
from billing.at_stripe import lists
from billing.at_stripe.lists import Window
from config.api import limiting, pace
from events import clock
from tests.buyer import Buyer


@pytest.mark.parametrize("valkey", [True, False], ids=["in Valkey", "without Valkey"])
def test_calls_beyond_the_pace_wait(settings: LazySettings, valkey: bool) -> None:
    """31 calls at 15 a second: the last ones wait for the third second."""
    settings.REDIS_URL = settings.REDIS_URL if valkey else "redis://127.0.0.1:1/0"
    limiting._away_until = 0.0
    kind, began = uuid4().hex, time.monotonic()

    for _ in range(31):
        pace.wait(kind, per_second=15)

    limiting._away_until = 0.0
    assert 1.9 < time.monotonic() - began < pace.LONGEST_SECONDS


def test_without_a_limit_nobody_waits() -> None:
    """0 is no limit."""
    began = time.monotonic()

    for _ in range(1000):
        pace.wait("x", per_second=0)

    assert time.monotonic() - began < pace.LONGEST_SECONDS


def test_pages_of_a_list_are_fetches_of_their_kind(buyer: Buyer, settings: LazySettings) -> None:
    """Seven lists of payments at 2 a second; the reconciliation that reads them all comes to its end."""
    settings.STRIPE_FETCHES_PER_SECOND, settings.APP_NAME = 2, f"farebox-{uuid4().hex}"
    limiting._shared.cache_clear()
    seen: list[str] = []
    window = Window(clock.now() - timedelta(hours=1))
    buyer.buy()
    began = time.monotonic()

    for _ in range(6):
        assert len(list(lists.made("payment_intents", window))) == 1
    report = reconcile.run(window, seen=seen.append)

    limiting._shared.cache_clear()
    assert time.monotonic() - began > 2
    assert (report.compared["payment_intents"], report.left) == (1, [])
    assert "payment_intents" in seen


def test_fetches_of_one_kind_share_a_bucket_and_other_kinds_have_their_own(
    buyer: Buyer, settings: LazySettings
) -> None:
    """A crowd of subscriptions holds up no payment; nothing is refused, only later."""
    settings.STRIPE_FETCHES_PER_SECOND, settings.APP_NAME = 2, f"farebox-{uuid4().hex}"
    limiting._shared.cache_clear()
    began = time.monotonic()

    checkout = buyer.buy()

    limiting._shared.cache_clear()
    assert checkout.status == "complete"
    assert buyer.may().allowed
    assert time.monotonic() - began < 9
