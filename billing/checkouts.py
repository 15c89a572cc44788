"""A buyer pays one quote on Stripe's page: our row follows Stripe's session."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import Q

from billing import customers, findings, gateway, payments
from billing.models import Checkout, Finding, Payment
from events import history
from pricing import quotes

Object = dict[str, Any]
Status = Checkout.Status


def settle(session: Object, *, looked_at: datetime) -> bool:
    """Bring our checkout to what its session says. False when it is none of ours.

    Runs inside the caller's transaction; may be repeated.
    """
    checkout = _of(session)
    if checkout is None:
        return False
    customers.lock(checkout.customer_id)
    checkout = Checkout.objects.select_for_update(of=("self",)).get(pk=checkout.pk)
    Checkout.objects.filter(pk=checkout.pk).update(
        stripe_id=session["id"], url=session["url"] or checkout.url, looked_at=looked_at
    )
    quote = checkout.quote
    # On a trial nothing is due on the page; the invoices that follow carry the quoted price.
    shown = (session["amount_subtotal"], session["currency"])
    if not checkout.trial_days and shown != (quote.amount_minor, quote.currency):
        findings.open(
            Finding.Kind.AMOUNT,
            f"checkout:{checkout.pk}",
            ours=quote.amount_minor,
            theirs=session["amount_subtotal"],
            currency=session["currency"],
        )
    if session["status"] == "complete" and checkout.move_to(Status.COMPLETE, at=looked_at):
        record("checkout.session.completed", checkout, at=looked_at)
    elif session["status"] == "expired":
        expire(checkout, at=looked_at)
    return True


def expire(checkout: Checkout, *, at: datetime) -> None:
    """Close a checkout that was not paid, and its payment with it, inside the caller's transaction."""
    if checkout.move_to(Status.EXPIRED, at=at):
        record("checkout.session.expired", checkout, at=at)
        if payment := Payment.objects.filter(checkout=checkout).first():
            payments.cancel(payment, at=at)


def record(type: str, checkout: Checkout, *, at: datetime) -> None:
    """Write a line of the buyer's history."""
    history.record(
        type,
        subject=history.user(checkout.customer.user_id),
        object=f"checkout:{checkout.pk}",
        at=at,
        data=quotes.terms(checkout.quote),
    )


def _of(session: Object) -> Checkout | None:
    named = Q(stripe_id=session["id"])
    if ours := gateway.our_id(session, "checkout_id"):
        named |= Q(pk=ours, stripe_id=None)
    return Checkout.objects.filter(named).first()
