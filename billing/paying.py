"""Take a payment that was asked for: our row, then Stripe's intent for it, once, whatever happens in between."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError

from billing import customers, dues, gateway, idempotency, payment_methods, payments, retries, stripe_customers, sync
from billing.at_stripe import payments as intents
from billing.dues import Due
from billing.errors import OrderTaken, StripeRefused
from billing.gateway import our_id
from billing.idempotency import BUSY_FOR, Asking
from billing.models import Payment
from billing.transactions import whole
from events import clock
from pricing import plans
from vault import stops

Object = dict[str, Any]
Status = Payment.Status
# What a browser may still pay.
PAYABLE = (Status.PENDING, Status.REQUIRES_ACTION, Status.FAILED)


@dataclass(frozen=True, slots=True)
class Order:
    """What a payment is for, as whoever asks for it says: none of it decides what is paid.

    `stripe_method` is a `pm_` id that we confirm with, `method_type` a kind of method (ruling 17).
    """

    order_id: str | None = None
    description: str = ""
    stripe_method: str = ""
    method_type: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


def create(user_id: str, due: Due, order: Order, *, asking: Asking) -> tuple[Payment, bool]:
    """Ask a user for an amount. Returns the payment, and whether it is a replay: of its key, or of its order.

    The row is committed before Stripe is asked. A declined card is no error: the payment is `failed`, and may still
    succeed. Raises KeyReused, KeyInFlight, OrderTaken, what a due raises, StripeRefused (the payment is canceled),
    StripeUnknown (it waits, the janitor finds out).
    """
    if payment := _earlier(user_id, due, order, asking):
        return _resumed(payment), True
    try:
        payment = _request(user_id, due, order, asking)
    except IntegrityError:
        if payment := _earlier(user_id, due, order, asking):
            return _resumed(payment), True
        raise
    return send(payment, held=True), False


def send(payment: Payment, *, held: bool = False) -> Payment:
    """Make the intent at Stripe, and confirm it where that was asked for. May be repeated: one intent, one charge.

    `held`: the row was just made, and is ours to speak about.
    """
    if not held:
        idempotency.take(payment, at=clock.now())
        payment.refresh_from_db()
    try:
        if not payment.stripe_id:
            _keep(payment, _made(payment)["id"])
        if payment.confirms and payment.status == Status.PENDING:
            _confirm(payment)
    except StripeRefused as refusal:
        _give_up(payment, refusal)
        raise
    finally:
        idempotency.release(payment)
    return payment


def client_secret(payment: Payment) -> str | None:
    """Read from Stripe the secret by which the buyer's browser pays; None when there is nothing left to pay."""
    return intents.client_secret(payment.stripe_id) if payment.stripe_id and payment.status in PAYABLE else None


def unknown(*, at: datetime) -> list[Payment]:
    """Return the payments of which nobody knows what Stripe did, the oldest 100."""
    asked = Payment.objects.filter(status=Status.PENDING, created_at__lt=at - timedelta(minutes=1))
    asked = asked.exclude(principal="")
    return list((asked.filter(stripe_id=None) | asked.filter(confirms=True)).order_by("pk")[:100])


def settle_unknown(payment: Payment, *, at: datetime) -> None:
    """Find out: send again under the same key while Stripe remembers it, then only look."""
    if payment.stripe_id or at - payment.created_at < retries.RESEND_FOR:
        send(payment)
        return
    if made := _found(payment):
        _keep(payment, made["id"])
        sync.try_look(made["id"])
    else:
        _give_up(payment, StripeRefused("Stripe has no such payment."))


def _earlier(user_id: str, due: Due, order: Order, asking: Asking) -> Payment | None:
    """Find what the key made before, or what the same caller asked for the same order (ruling 15)."""
    if payment := idempotency.earlier(Payment, asking):
        return payment
    if order.order_id is None:
        return None
    rows = Payment.objects.filter(principal=asking.principal, order_id=order.order_id).exclude(status=Status.CANCELED)
    payment = rows.select_related("customer").first()
    if payment and (payment.amount, payment.customer.user_id) != (due.amount, user_id):
        raise OrderTaken(order.order_id, payment.amount)
    return payment


@whole
def _request(user_id: str, due: Due, order: Order, asking: Asking) -> Payment:
    at = clock.now()
    customer = customers.lock(customers.of_user(user_id, at=at).pk)
    dues.require_good(due, at=at)
    if due.quote:
        plans.mark_sold(due.quote.version, at=at)
    return payments.create(
        user_id=user_id,
        at=at,
        customer=customer,
        quote=due.quote,
        amount_minor=due.amount.minor,
        currency=due.amount.currency,
        description=order.description or (due.quote.version.plan.name if due.quote else ""),
        order_id=order.order_id,
        stripe_payment_method_id=order.stripe_method,
        method_type=order.method_type,
        confirms=bool(order.stripe_method),
        metadata=dict(order.metadata),
        busy_until=at + BUSY_FOR,
        **asking.columns,
    )


def _resumed(payment: Payment) -> Payment:
    if payment.status != Status.PENDING or (payment.stripe_id and not payment.confirms):
        return payment
    settle_unknown(payment, at=clock.now())
    payment.refresh_from_db()
    return payment


def _params(payment: Payment) -> dict[str, Any]:
    params: dict[str, Any] = {
        "amount": payment.amount_minor,
        "currency": payment.currency,
        "customer": _payer(payment),
        "metadata": {"payment_id": str(payment.pk)},
        # Without a browser of the buyer's nobody can be sent to another page.
        "automatic_payment_methods": {"enabled": True, "allow_redirects": "never" if payment.confirms else "always"},
    }
    if payment.confirms:
        params["payment_method"] = payment.stripe_payment_method_id
    return params


def _payer(payment: Payment) -> str:
    """Return Stripe's customer that pays: of several the one that has the method that was named."""
    his = payment_methods.of_customer(payment.customer).filter(stripe_id=payment.stripe_payment_method_id)
    has = his.values_list("stripe_customer__stripe_id", flat=True).first()
    return has or customers.at_stripe(payment.customer)


def _made(payment: Payment) -> Object:
    params = _params(payment)
    return retries.made(
        payment,
        lambda: intents.create(params, id=payment.pk, attempt=payment.attempt),
        lambda: _found(payment),
    )


def _found(payment: Payment) -> Object | None:
    payers = stripe_customers.stripe_ids(payment.customer)
    known = (one for payer in payers for one in intents.of_customer(payer))
    return next((one for one in known if our_id(one, "payment_id") == payment.pk), None)


def _tried(payment: Payment) -> Object | None:
    """Return the intent when its confirmation has been tried: it waits for one no more."""
    found = gateway.fetch(str(payment.stripe_id))
    return None if found and found["status"] == "requires_confirmation" else found


def _confirm(payment: Payment) -> None:
    try:
        retries.made(
            payment,
            lambda: intents.confirm(str(payment.stripe_id), id=payment.pk, attempt=payment.attempt),
            lambda: _tried(payment),
        )
    except StripeRefused:
        sync.look(str(payment.stripe_id))
        payment.refresh_from_db()
        if payment.status == Status.PENDING:
            raise  # It was not the card: nothing was tried.
        return
    sync.try_look(str(payment.stripe_id))
    payment.refresh_from_db()


def _keep(payment: Payment, stripe_id: str) -> None:
    Payment.objects.filter(pk=payment.pk, stripe_id=None).update(stripe_id=stripe_id)
    stops.at("commit.billing.paying._keep.after")
    payment.refresh_from_db()


@whole
def _give_up(payment: Payment, refusal: StripeRefused) -> None:
    customers.lock(payment.customer_id)
    locked = Payment.objects.select_for_update(of=("self",)).select_related("customer").get(pk=payment.pk)
    if locked.stripe_id:
        # The intent stands: the buyer may still pay it, but we do not try again.
        Payment.objects.filter(pk=locked.pk).update(confirms=False)
        return
    locked.failure_code, locked.failure_reason = refusal.stripe_code[:100], str(refusal)
    locked.save(update_fields=["failure_code", "failure_reason"])
    payments.cancel(locked, at=clock.now())
