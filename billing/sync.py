"""Look again at Stripe: fetch without a transaction, then write everything that was seen in one.

Every way in (webhook, sweeper, landing page, reconciliation) calls `look`. A look that began earlier never writes over
a later one: each of our rows keeps `looked_at`, and the object asked for is under a fenced lease.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

import structlog
from django.db import OperationalError, connection, transaction

from billing import (
    checkouts,
    customers,
    disputes,
    gateway,
    invoices,
    leases,
    mirror,
    payment_methods,
    payments,
    subscriptions,
    webhooks,
)
from billing.errors import BillingError, LeaseLost
from billing.gathering import Gathering
from billing.models import Checkout, WebhookEvent
from billing.transactions import whole
from events import clock, context
from vault import faults

log = structlog.get_logger("farebox.sync")
Object = dict[str, Any]
FRESH_FOR = timedelta(seconds=2)
# While one waits for Stripe another works; each has a connection. A few objects are not worth their threads.
LOOKERS, A_CROWD = 4, 10
# Parents first, so that a payment finds the subscription that it pays, and a customer the card that is his default.
SETTLE: dict[str, Callable[..., bool]] = {
    "payment_method": payment_methods.settle,
    "customer": customers.settle,
    "checkout.session": checkouts.settle,
    "subscription": subscriptions.settle,
    "invoice": invoices.settle,
    "payment_intent": payments.settle,
    "dispute": disputes.settle,
}


def look(stripe_id: str) -> bool:
    """Bring our books to what Stripe says of one object and those that hang on it; say whether we looked.

    False while somebody else looks at it: he asks again after he is done, so no event is lost. One look serves all
    events that had come before it. Raises StripeUnknown and StripeRefused; the events wait for another try then.
    """
    looked = _look_once(stripe_id)
    while looked and webhooks.waiting(stripe_id, at=clock.now()) and _look_once(stripe_id):
        pass
    return looked


def _look_once(stripe_id: str) -> bool:
    held = leases.take(stripe_id)
    if held is None:
        return False
    try:
        _once(held)
    except LeaseLost:
        return False
    return True


def sweep(*, early: timedelta = timedelta(0), limit: int = 100) -> int:
    """Look at everything that is due, whatever became of its bell. Returns how many objects were looked at.

    `early` takes along what the bell was rung for. Kind by kind: a look at its parent serves an object, too.
    """
    due = webhooks.due(at=clock.now() + early, limit=limit)
    return sum(_look_at_all(list(kind)) for _, kind in groupby(due, key=gateway.rank))


def drain() -> int:
    """Look at all that has come, until nothing is left. Returns how many objects were looked at."""
    looked = 0
    while more := sweep(early=webhooks.BELL_TIME):
        looked += more
    return looked


def try_look(stripe_id: str, looking: Callable[[str], bool] = look) -> bool:
    """Look where a failure is no error of the caller's: what waits for a look is tried again by the sweeper."""
    try:
        return looking(stripe_id)
    except BillingError as reason:
        log.warning("look put off", stripe_id=stripe_id, reason=faults.named(reason))
    except Exception:
        # What was asked for is done already, and the next object must not wait for this one.
        log.exception("look failed", stripe_id=stripe_id)
    return False


def _look_at_all(stripe_ids: list[str]) -> int:
    # A look at its parent, or another worker's, may have served one meanwhile.
    left = deque(webhooks.awaited(stripe_ids, at=clock.now()))
    if len(left) < A_CROWD:
        return _look_at_each(left)
    with ThreadPoolExecutor(LOOKERS, "look") as pool:
        looking = [pool.submit(copy_context().run, _look_apart, left) for _ in range(LOOKERS)]
        return sum(each.result() for each in looking)


def _look_apart(left: deque[str]) -> int:
    try:
        return _look_at_each(left)
    finally:
        connection.close()


def _look_at_each(left: deque[str]) -> int:
    looked = 0
    with suppress(IndexError):
        while True:
            # What comes meanwhile is due again: the next sweep asks.
            looked += try_look(left.popleft(), _look_once)
    return looked


def refresh(checkout: Checkout) -> None:
    """Look again at a checkout while it is open, once in two seconds at most however often a landing page asks."""
    seen_lately = checkout.looked_at and clock.now() - checkout.looked_at < FRESH_FOR
    if checkout.status == Checkout.Status.OPEN and checkout.stripe_id and not seen_lately:
        try_look(checkout.stripe_id)
        checkout.refresh_from_db()


def see(stripe_id: str) -> None:
    """Look now, also while somebody else does: for who has just changed an object, and answers with what it is now.

    Its events are left to the looks that they ask for. Raises StripeUnknown and StripeRefused.
    """
    at = clock.now()
    whole(_settle)(list(Gathering().gather(stripe_id)), at)


def _once(held: leases.Held) -> None:
    try:
        with leases.kept(held):
            found = list(Gathering().gather(held.stripe_id))
            # What had come about any of them before they were fetched is served by this look, too.
            served = {held.stripe_id, *(one["id"] for one in found)}
            _write(held, found, served, held.taken_at)
    except LeaseLost:
        raise
    except Exception as reason:
        webhooks.put_off(webhooks.waiting(held.stripe_id, at=held.taken_at), reason, at=clock.now())
        leases.release(held)
        raise


@whole
def _write(held: leases.Held, found: list[Object], served: Iterable[str], at: datetime) -> None:
    leases.require(held)
    with context.acting("stripe"):
        ours = _settle(found, at)
        if not found and held.stripe_id.startswith("in_"):
            ours = invoices.vanish(held.stripe_id, at=at)
    status = WebhookEvent.Status.PROCESSED if ours else WebhookEvent.Status.IGNORED
    webhooks.finish(served, status, at=at)
    leases.release(held)


def _settle(found: list[Object], at: datetime) -> bool:
    in_order = sorted(found, key=lambda one: list(SETTLE).index(one["object"]))
    ours = [SETTLE[one["object"]](one, looked_at=at) for one in in_order]
    if any(ours):
        _mirror(found)
        customers.learn(found, looked_at=at)
    return any(ours)


def _mirror(found: list[Object]) -> None:
    try:
        with transaction.atomic():
            mirror.keep(found)
    except OperationalError:
        raise  # A lost lock: the whole transaction is run again.
    except Exception:
        # Nothing is decided from the copy, so what it cannot hold must not hold up what was paid.
        log.exception("not mirrored")
