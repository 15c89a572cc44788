"""Staff and services set a payment's status: only along its table of moves, and never against Stripe (ruling 26)."""

from __future__ import annotations

from billing import customers, gateway, sync
from billing.at_stripe import payments as intents
from billing.errors import KeyInFlight, MoveNotAllowed, StripeRefused, StripeSaysOtherwise
from billing.models import Checkout, Payment
from billing.transactions import whole
from events import clock, context, history

Status = Payment.Status


def correct(payment: Payment, status: str, *, reason: str) -> Payment:
    """Bring a payment to a status that Stripe agrees with, and record who wanted it and why. May be repeated.

    To `canceled` the intent, or the page it is paid on, is closed at Stripe first. Raises MoveNotAllowed,
    StripeSaysOtherwise, KeyInFlight while Stripe is being asked for it, StripeUnknown.
    """
    if payment.status == status:
        return payment
    if status not in payment.NEXT[payment.status]:
        raise MoveNotAllowed(payment.status, status)
    if status == Status.CANCELED:
        _close_at_stripe(payment)
    if payment.stripe_id:
        sync.look(payment.stripe_id)
    payment.refresh_from_db()
    if payment.status != status:
        raise StripeSaysOtherwise(status, payment.status)
    _record(payment, reason)
    return payment


def _close_at_stripe(payment: Payment) -> None:
    checkout = payment.checkout
    try:
        if checkout and checkout.status == Checkout.Status.OPEN and checkout.stripe_id:
            gateway.expire_checkout(checkout.stripe_id)
        elif payment.stripe_id:
            intents.cancel(payment.stripe_id)
        elif payment.principal:
            # Nobody knows yet whether Stripe has an intent for it: the janitor finds out first.
            raise KeyInFlight
    except StripeRefused:
        # Paid or closed by now: the look that follows says which.
        pass
    if checkout and checkout.stripe_id:
        sync.look(checkout.stripe_id)


@whole
def _record(payment: Payment, reason: str) -> None:
    customers.lock(payment.customer_id)
    with context.explained(reason):
        history.record(
            "payment.status.set",
            subject=history.user(payment.customer.user_id),
            object=f"payment:{payment.pk}",
            at=clock.now(),
            data={"status": payment.status},
        )
