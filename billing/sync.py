"""Look again at Stripe: fetch without a transaction, then write everything that was seen in one.

Every way in (webhook, sweeper, landing page, reconciliation) calls `look`. A look that began earlier never writes over
a later one: each of our rows keeps `looked_at`, and the object asked for is under a fenced lease.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import OperationalError, transaction

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
from billing.at_stripe import disputes as contested
from billing.at_stripe import payments as intents
from billing.at_stripe import refunds as given_back
from billing.at_stripe.invoices import with_all_lines
from billing.errors import BillingError, LeaseLost
from billing.models import Checkout, WebhookEvent
from billing.transactions import whole
from events import clock, context
from vault import faults

log = structlog.get_logger("farebox.sync")
Object = dict[str, Any]
FRESH_FOR = timedelta(seconds=2)
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
# What Stripe lists in part only, as it expands it.
COMPLETE: dict[str, Callable[[Object], Object]] = {
    "invoice": with_all_lines,
    "payment_intent": given_back.completed,
}


def look(stripe_id: str) -> bool:
    """Bring our books to what Stripe says of one object and those that hang on it; say whether we looked.

    False while somebody else looks at it: he asks again after he is done, so no event is lost. One look serves all
    events that had come before it. Raises StripeUnknown and StripeRefused; the events wait for another try then.
    """
    looked = False
    while not looked or webhooks.waiting(stripe_id, at=clock.now()):
        held = leases.take(stripe_id)
        if held is None:
            return looked
        try:
            _once(held)
        except LeaseLost:
            return looked
        looked = True
    return looked


def sweep(*, limit: int = 100) -> int:
    """Look at everything that is due, whatever became of its bell. Returns how many objects were looked at."""
    looked = 0
    for stripe_id in webhooks.due(at=clock.now(), limit=limit):
        looked += try_look(stripe_id)
    return looked


def try_look(stripe_id: str) -> bool:
    """Look where a failure is no error of the caller's: what waits for a look is tried again by the sweeper."""
    try:
        return look(stripe_id)
    except BillingError as reason:
        log.warning("look put off", stripe_id=stripe_id, reason=faults.named(reason))
    except Exception:
        # What was asked for is done already, and the next object must not wait for this one.
        log.exception("look failed", stripe_id=stripe_id)
    return False


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
    whole(_settle)(list(gather(stripe_id)), at)


def gather(stripe_id: str) -> Iterator[Object]:
    """Fetch the object and those that hang on it: session, subscription, invoice, intent, disputes."""
    found = _fetched(stripe_id)
    if found is None:
        return
    if found["object"] == "payment_intent" and (invoice := _unnamed_invoice(found)):
        # With its subscription, which may not be here yet: else a success seen now would be nobody's.
        yield from gather(invoice)
        return
    if found["object"] == "payment_intent":
        found = intents.completed(found)
    yield found
    match found["object"]:
        case "checkout.session":
            for inner in (found["subscription"], found["payment_intent"]):
                if inner:
                    yield from gather(inner)
        case "subscription":
            if found["latest_invoice"]:
                yield from _invoice(found["latest_invoice"])
        case "customer":
            # Not expanded: one that is deleted has nothing to expand.
            method = (found.get("invoice_settings") or {}).get("default_payment_method")
            if method and not payment_methods.is_known(method):
                yield from _alone(method)
        case "invoice":
            if subscription := invoices.subscription_of(found):
                yield from _alone(subscription)
            yield from _paying(found)
        case "payment_intent":
            yield from contested.of_intent(found)


def _unnamed_invoice(intent: Object) -> str | None:
    ours = gateway.our_id(intent, "checkout_id") or gateway.our_id(intent, "payment_id")
    return None if ours else gateway.invoice_of(intent["id"])


def _invoice(stripe_id: str) -> Iterator[Object]:
    for invoice in _alone(stripe_id):
        yield invoice
        yield from _paying(invoice)


def _paying(invoice: Object) -> Iterator[Object]:
    for payment in invoice["payments"]["data"]:
        if intent := payment["payment"].get("payment_intent"):
            yield from _alone(intent)


def _alone(stripe_id: str) -> Iterator[Object]:
    if found := _fetched(stripe_id):
        yield found
        if found["object"] == "payment_intent":
            yield from contested.of_intent(found)


def _fetched(stripe_id: str) -> Object | None:
    found = gateway.fetch(stripe_id)
    complete = COMPLETE.get(found["object"]) if found else None
    return complete(found) if found and complete else found


def _once(held: leases.Held) -> None:
    at = clock.now()
    covered = webhooks.waiting(held.stripe_id, at=at)
    try:
        found = list(gather(held.stripe_id))
        _write(held, found, covered, at)
    except LeaseLost:
        raise
    except Exception as reason:
        webhooks.put_off(covered, reason, at=clock.now())
        leases.release(held)
        raise


@whole
def _write(held: leases.Held, found: list[Object], covered: list[int], at: datetime) -> None:
    leases.require(held)
    with context.acting("stripe"):
        ours = _settle(found, at)
        if not found and held.stripe_id.startswith("in_"):
            ours = invoices.vanish(held.stripe_id, at=at)
    status = WebhookEvent.Status.PROCESSED if ours else WebhookEvent.Status.IGNORED
    webhooks.finish(covered, status, at=at)
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
