"""A crowd of objects is looked at several at a time: what one look meets is nothing to the others."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from billing import sync
from billing.models import Lease, WebhookEvent
from tests.stripe_side import StripeSide

CROWD = 3 * sync.A_CROWD


@pytest.fixture
def crowd(books: None, stripe_side: StripeSide) -> StripeSide:
    """Give thirty customers of Stripe's, who are none of ours, with an event of each."""
    for number in range(CROWD):
        stripe_side.post("customers", name=f"Somebody {number}")
    stripe_side.deliver(work=False)
    return stripe_side


def fetched(stripe: StripeSide) -> int:
    log = stripe.http.get("/_sandbox/requests").json()["data"]
    return sum(one["method"] == "GET" and one["path"].startswith("/v1/customers/") for one in log)


def waiting() -> int:
    return WebhookEvent.objects.filter(status__in=WebhookEvent.WAITING).count()


def test_each_of_a_crowd_is_looked_at_once(crowd: StripeSide) -> None:
    """As many looks as objects, and nothing waits or is held afterwards."""
    assert waiting() == CROWD
    before = fetched(crowd)

    assert sync.drain() == CROWD

    assert waiting() == 0
    assert fetched(crowd) - before == CROWD
    assert not Lease.objects.exclude(held_until=None).exists()


def test_one_that_cannot_be_fetched_holds_up_no_other(crowd: StripeSide) -> None:
    """It is tried again later; the others are done."""
    bad = WebhookEvent.objects.order_by("pk")[CROWD // 2].looks_at
    crowd.control("faults", path=f"^/v1/customers/{bad}$", fault="500", times=9)

    assert sync.drain() == CROWD - 1

    (left,) = WebhookEvent.objects.filter(status__in=WebhookEvent.WAITING)
    assert (left.looks_at, left.status, left.attempts) == (bad, WebhookEvent.Status.RETRY, 1)


def test_two_workers_share_a_crowd(crowd: StripeSide) -> None:
    """Both drain at once: each object is somebody's, and in the end nothing waits."""

    def drain(_: int) -> int:
        try:
            return sync.drain()
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        looked = list(pool.map(drain, range(2)))

    assert sum(looked) >= CROWD
    assert waiting() == 0
