"""Open a session on Stripe's page for an order, once, whatever happens in between."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import chain
from typing import Any

from django.db import IntegrityError

from billing import checkouts, customers, gateway, idempotency, orders, prices, retries, stripe_customers
from billing.errors import StripeRefused
from billing.idempotency import Asking
from billing.models import Checkout, Customer, Subscription, SubscriptionOrder
from billing.orders import Order
from billing.transactions import whole
from events import clock

# How long the one who opened it may still be at work.
GIVE_TIME = timedelta(minutes=1)


def open(user_id: str, order: Order, *, asking: Asking) -> tuple[Checkout, bool]:
    """Open a session at our price. Returns the checkout, and whether it is a replay.

    The row and its frozen price are committed before Stripe is asked, so that whatever happens the same key finds
    the same row. Raises the errors of an order (price, quote, urls, plan), KeyReused, KeyInFlight, StripeRefused,
    StripeUnknown.
    """
    if checkout := idempotency.earlier(Checkout, asking):
        return _resumed(checkout), True
    version = orders.accept(order)
    try:
        checkout = orders.save(user_id, version, order, asking)
    except IntegrityError:
        if checkout := idempotency.earlier(Checkout, asking):
            return _resumed(checkout), True
        raise
    return send(checkout, held=True), False


def send(checkout: Checkout, *, held: bool = False) -> Checkout:
    """Open the session at Stripe and keep its id and url. May be repeated: the same key brings the same session.

    `held`: the row was just made, and is ours to speak about. Raises KeyInFlight, StripeUnknown (the row waits, the
    janitor finds out), StripeRefused (the checkout is closed).
    """
    if not held:
        idempotency.take(checkout, at=clock.now())
        checkout.refresh_from_db()
    try:
        if not checkout.stripe_id:
            _close_others(checkout)
            _keep(checkout, _opened(checkout))
    except StripeRefused:
        _close(checkout)
        raise
    finally:
        idempotency.release(checkout)
    return checkout


def unknown(*, at: datetime) -> list[Checkout]:
    """Return the checkouts of which nobody knows whether Stripe opened them, the oldest 100."""
    rows = Checkout.objects.filter(stripe_id=None, status=Checkout.Status.OPEN, created_at__lt=at - GIVE_TIME)
    return list(rows.select_related("customer", "quote__version__plan").order_by("pk")[:100])


def settle_unknown(checkout: Checkout, *, at: datetime) -> None:
    """Find out: send again under the same key while it can still be paid, then only look."""
    if at < checkout.expires_at - timedelta(minutes=30):
        send(checkout)
        return
    if session := _found(checkout):
        _keep(checkout, session)
    elif at >= checkout.expires_at:
        _close(checkout)


def _opened(checkout: Checkout) -> dict[str, Any]:
    params = _params(checkout)
    return retries.made(
        checkout,
        lambda: gateway.open_checkout(params, id=checkout.pk, attempt=checkout.attempt),
        lambda: _found(checkout),
    )


def _found(checkout: Checkout) -> dict[str, Any] | None:
    buyers = stripe_customers.stripe_ids(checkout.customer)
    sessions = chain.from_iterable(gateway.checkouts_of(buyer) for buyer in buyers)
    return next((one for one in sessions if one["client_reference_id"] == str(checkout.pk)), None)


def _resumed(checkout: Checkout) -> Checkout:
    return checkout if checkout.stripe_id or checkout.status != Checkout.Status.OPEN else send(checkout)


def _close_others(checkout: Checkout) -> None:
    """Leave at most one page open on which a subscription of the product line can be bought."""
    if checkout.mode == Checkout.Mode.SUBSCRIPTION:
        close_pages(checkout.customer, checkout.product_line, before=checkout.created_at)


def close_pages(customer: Customer, product_line: str, *, before: datetime) -> None:
    """Close the pages opened before a moment on which a subscription of a product line can be bought."""
    others = Checkout.objects.filter(
        customer=customer,
        product_line=product_line,
        mode=Checkout.Mode.SUBSCRIPTION,
        status=Checkout.Status.OPEN,
        created_at__lt=before,
    )
    for other in others.filter(stripe_id__isnull=False):
        _close_page(other, str(other.stripe_id))


def _params(checkout: Checkout) -> dict[str, Any]:
    quote = checkout.quote
    named = {
        "checkout_id": str(checkout.pk),
        "quote_id": str(quote.pk),
        "country": quote.country_code,
        "zone": quote.zone_code,
        "multiplier": str(quote.multiplier),
    }
    # Stripe keeps a customer to one currency for what recurs, and for nothing else.
    recurring = quote.currency if checkout.mode == Checkout.Mode.SUBSCRIPTION else ""
    params: dict[str, Any] = {
        "mode": checkout.mode,
        "customer": customers.at_stripe(checkout.customer, recurring),
        "client_reference_id": str(checkout.pk),
        "line_items": [{"price": prices.at_stripe(quote), "quantity": 1}],
        "success_url": checkout.success_url,
        "cancel_url": checkout.cancel_url,
        "metadata": named,
        "expires_at": int(checkout.expires_at.timestamp()),
        # Stripe's own conversion by the visitor's country would undo the zone's price.
        "adaptive_pricing": {"enabled": False},
    }
    if checkout.mode == Checkout.Mode.PAYMENT:
        return {**params, "payment_intent_data": {"metadata": named}}
    trial = {"trial_period_days": days} if (days := checkout.trial_days) else {}
    return {**params, "subscription_data": {"metadata": named, **trial}}


def _keep(checkout: Checkout, session: dict[str, Any]) -> None:
    if not _name(checkout, session):
        # Whoever came later could not close this page: it had no name yet. Closed first, then named: until both are
        # done the janitor comes back to it.
        _close_page(checkout, session["id"])
        _name(checkout, session, overtaken=True)
    checkout.refresh_from_db()


@whole
def _name(checkout: Checkout, session: dict[str, Any], *, overtaken: bool = False) -> bool:
    """Write down the page of a checkout, and say so; not of one that another has overtaken."""
    customers.lock(checkout.customer_id)
    if not overtaken and checkout.mode == Checkout.Mode.SUBSCRIPTION and _is_overtaken(checkout):
        return False
    Checkout.objects.filter(pk=checkout.pk).update(stripe_id=session["id"], url=session["url"] or "")
    return True


def _is_overtaken(checkout: Checkout) -> bool:
    """Say whether the buyer has turned to another page of the product line, or has what it sells."""
    customer, line = checkout.customer, checkout.product_line
    later = customer.checkouts.filter(product_line=line, mode=checkout.mode, created_at__gt=checkout.created_at)
    return (
        later.exclude(status=Checkout.Status.EXPIRED).exists()
        or customer.subscription_orders.filter(product_line=line, status=SubscriptionOrder.Status.OPEN).exists()
        or customer.subscriptions.filter(product_line=line, status__in=Subscription.LIVE)
        .exclude(checkout=checkout)
        .exists()
    )


def _close_page(checkout: Checkout, stripe_id: str) -> None:
    try:
        gateway.expire_checkout(stripe_id)
    except StripeRefused:
        return  # It was paid or has expired by now; its own event says which.
    _close(checkout)


@whole
def _close(checkout: Checkout) -> None:
    customers.lock(checkout.customer_id)
    checkouts.expire(Checkout.objects.select_for_update(of=("self",)).get(pk=checkout.pk), at=clock.now())
