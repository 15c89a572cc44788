"""Ground for thousands of requests: one database and one Stripe for a whole module, and all of it put back after."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from django.test import Client, override_settings
from pytest_django import DjangoDbBlocker

from billing import gateway, refunds
from billing.idempotency import Asking
from tests.api import api
from tests.books import empty
from tests.buyer import Buyer
from tests.stripe_side import StripeSide

# `./farebox fuzz --examples N` gives another number.
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "100"))


def _live(stripe: StripeSide) -> None:
    """Let anna buy for life, subscribe, and get something back, so that there is something to show."""
    anna = Buyer(stripe, "anna")
    anna.buy()
    refunds.create(anna.payment, 100, reason="", asking=Asking.of("admin:root", None, {}))
    anna.subscribe()


@pytest.fixture(scope="module")
def ground(django_db_setup: None, django_db_blocker: DjangoDbBlocker, stripe_process: str) -> Iterator[StripeSide]:
    """Let a module commit for real and speak to the sandbox; countries and prices are as before after it."""
    from django.conf import settings

    from pricing.models import Country, PriceOverride

    with django_db_blocker.unblock(), override_settings(STRIPE_API_BASE=stripe_process, RATE_LIMITED=False):
        countries, prices = list(Country.objects.all()), list(PriceOverride.objects.all())
        gateway.client.cache_clear()
        side = StripeSide(stripe_process, settings.STRIPE_WEBHOOK_SECRET)
        side.reset()
        _live(side)
        yield side
        gateway.client.cache_clear()
        empty()
        PriceOverride.objects.all().delete()
        Country.objects.all().delete()
        Country.objects.bulk_create(countries)
        PriceOverride.objects.bulk_create(prices)


@pytest.fixture
def root(ground: StripeSide) -> Client:
    """Give an admin's client, to whom a fault of ours is an answer."""
    client = api("root", "admin", **{"Change-Reason": "to see what breaks"})
    client.raise_request_exception = False
    return client
