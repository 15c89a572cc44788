"""Start a subscription without Stripe's page, once, whatever happens in between."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError

from billing import customers, gateway, idempotency, opening, prices, retries, stripe_customers, sync, trials, wishes
from billing.at_stripe import payment_methods as cards
from billing.at_stripe import subscriptions as at_stripe
from billing.errors import AlreadySubscribed, StripeRefused, StripeUnknown
from billing.idempotency import Asking
from billing.models import Subscription, SubscriptionChange, SubscriptionOrder
from billing.subscription_errors import OrderFailed, PaymentMethodElsewhere, PaymentMethodUnknown
from billing.transactions import whole
from billing.wishes import Wish
from events import clock
from pricing.models import Quote
from vault import stops

Status = SubscriptionOrder.Status
# How long the one who ordered may still be at work.
GIVE_TIME = timedelta(minutes=1)


def create(
    user_id: str,
    wish: Wish,
    *,
    asking: Asking,
    most_trial: int | None = None,
    previous: Subscription | None = None,
) -> tuple[Subscription, bool]:
    """Subscribe at our price. Returns the subscription, and whether it is a replay.

    The order and its frozen price are committed before Stripe is asked, so that whatever happens the same key finds
    the same order. Until the first payment is made (or a trial has begun) the subscription is incomplete and gives no
    access. Raises what `wishes.save` raises, PaymentMethodUnknown, CardDeclined, KeyReused, KeyInFlight,
    OrderFailed, StripeRefused, and StripeUnknown: then the order waits, and the janitor finds out.
    """
    if order := idempotency.earlier(SubscriptionOrder, asking):
        return _resumed(order), True
    card = _card(user_id, wish.payment_method)
    try:
        order = wishes.save(user_id, wish, asking, most_trial=most_trial, card=card, previous=previous)
    except (IntegrityError, AlreadySubscribed) as reason:
        # Another request with this key may have been first, and its order be what stands in the way.
        if order := idempotency.earlier(SubscriptionOrder, asking):
            return _resumed(order), True
        if isinstance(reason, AlreadySubscribed):
            raise
        raise AlreadySubscribed(wishes.version_of(wish.plan_id, wish.price_id).plan.product_line) from reason
    return send(order, held=True), False


def send(order: SubscriptionOrder, *, held: bool = False) -> Subscription:
    """Start the subscription at Stripe, and look at what became of it. May be repeated: one is started.

    `held`: the order was just made, and is ours to speak about.
    """
    if not held:
        idempotency.take(order, at=clock.now())
        order.refresh_from_db()
    try:
        if not order.stripe_id:
            _start(order)
        # Not from the answer: that of a repeated request is as old as the first one.
        sync.see(str(order.stripe_id))
    except StripeRefused as refusal:
        if not order.stripe_id:
            _fail(order, str(refusal))
        raise
    finally:
        idempotency.release(order)
    return _made(order)


def client_secret(subscription: Subscription) -> str | None:
    """Return what the buyer's browser needs where he must act: pay, confirm, or give a card. It is never kept.

    Raises StripeRefused and StripeUnknown.
    """
    waits = subscription.changes.filter(status=SubscriptionChange.Status.WAITING).exists()
    acts = (Subscription.Status.INCOMPLETE, Subscription.Status.TRIALING, Subscription.Status.PAUSED)
    if subscription.status in acts or waits:
        return at_stripe.client_secret(subscription.stripe_id)
    return None


def unknown(*, at: datetime) -> list[SubscriptionOrder]:
    """Return the orders of which nobody knows whether Stripe started them, the oldest 100."""
    rows = SubscriptionOrder.objects.filter(status=Status.OPEN, created_at__lt=at - GIVE_TIME)
    return list(rows.select_related("customer", "quote__version__plan").order_by("pk")[:100])


def settle_unknown(order: SubscriptionOrder, *, at: datetime) -> None:
    """Find out: send again under the same key while Stripe remembers it, then only look."""
    if order.stripe_id or at - order.created_at < retries.RESEND_FOR:
        send(order)
        return
    if found := _found(order):
        _keep(order, found["id"])
        sync.see(found["id"])
    else:
        _fail(order, "Stripe has no such subscription.")


def _resumed(order: SubscriptionOrder) -> Subscription:
    if order.status == Status.FAILED:
        raise OrderFailed(order.failure_reason)
    return _made(order) if order.status == Status.COMPLETE else send(order)


def _made(order: SubscriptionOrder) -> Subscription:
    # By Stripe's id: one copied in the dashboard may have taken ours.
    order.refresh_from_db(fields=["stripe_id"])
    row = Subscription.objects.select_related("customer", "version").filter(stripe_id=order.stripe_id or "").first()
    if row is None:
        raise StripeUnknown("not seen yet")
    return row


def _card(user_id: str, payment_method: str) -> str:
    if not payment_method:
        return ""
    found = gateway.fetch(payment_method)
    customer = customers.of_user(user_id, at=clock.now())
    owner = gateway.id_of(found["customer"]) if found else None
    if found is None or (owner and customers.with_stripe_id(owner) != customer):
        raise PaymentMethodUnknown(payment_method)
    return trials.fingerprint(found)


def _start(order: SubscriptionOrder) -> None:
    stripe_customer = customers.at_stripe(order.customer, order.quote.currency)
    opening.close_pages(order.customer, order.product_line, before=order.created_at)
    _attach(order, stripe_customer)
    params = _params(order, stripe_customer)
    made = retries.made(
        order, lambda: at_stripe.start(params, id=order.pk, attempt=order.attempt), lambda: _found(order)
    )
    _keep(order, made["id"])


def _found(order: SubscriptionOrder) -> dict[str, Any] | None:
    payers = stripe_customers.stripe_ids(order.customer)
    known = (one for payer in payers for one in at_stripe.of_customer(payer))
    return next((one for one in known if gateway.our_id(one, "subscription_order_id") == order.pk), None)


def _attach(order: SubscriptionOrder, stripe_customer: str) -> None:
    named = order.payment_method_id
    owner = gateway.id_of((gateway.fetch(named) or {}).get("customer")) if named else None
    if not named or owner == stripe_customer:
        return
    if owner:
        raise PaymentMethodElsewhere(named, order.quote.currency)
    # Stripe's names of test cards become a method of their own; a repeated request must name the same one.
    order.payment_method_id = cards.attach(named, stripe_customer)["id"]
    SubscriptionOrder.objects.filter(pk=order.pk).update(payment_method_id=order.payment_method_id)


def _params(order: SubscriptionOrder, stripe_customer: str) -> dict[str, Any]:
    quote = order.quote
    params: dict[str, Any] = {
        "customer": stripe_customer,
        "items": [{"price": prices.at_stripe(quote), "quantity": order.quantity}, *_extras(order)],
        # With a card at hand Stripe tries it at once, and leaves the bank's question to the buyer; without one the
        # first payment waits for the card that he gives with the client secret.
        "payment_behavior": "allow_incomplete" if order.payment_method_id else "default_incomplete",
        "payment_settings": {"save_default_payment_method": "on_subscription"},
        "metadata": {
            "subscription_order_id": str(order.pk),
            "quote_id": str(quote.pk),
            "country": quote.country_code,
            "zone": quote.zone_code,
            "multiplier": str(quote.multiplier),
        },
    }
    if order.payment_method_id:
        params["default_payment_method"] = order.payment_method_id
    if order.trial_days:
        params["trial_period_days"] = order.trial_days
        params["trial_settings"] = {"end_behavior": {"missing_payment_method": "pause"}}
    return params


def _extras(order: SubscriptionOrder) -> list[dict[str, Any]]:
    quotes = Quote.objects.select_related("version__plan").in_bulk([one["quote_id"] for one in order.extras])
    by_id = {str(id): quote for id, quote in quotes.items()}
    return [{"price": prices.at_stripe(by_id[one["quote_id"]]), "quantity": one["quantity"]} for one in order.extras]


def _keep(order: SubscriptionOrder, stripe_id: str) -> None:
    SubscriptionOrder.objects.filter(pk=order.pk, stripe_id=None).update(stripe_id=stripe_id)
    stops.at("commit.billing.subscribing._keep.after")
    order.refresh_from_db(fields=["stripe_id"])


@whole
def _fail(order: SubscriptionOrder, why: str) -> None:
    at = clock.now()
    customers.lock(order.customer_id)
    order.failure_reason = why[:255]
    if order.move_to(Status.FAILED, at=at):
        SubscriptionOrder.objects.filter(pk=order.pk).update(failure_reason=order.failure_reason)
        trials.give_back(order)
        wishes.record("subscription.order_failed", order, at=at)
