"""A customer leaves a card at Stripe for later: a setup intent, and the secret by which his browser finishes it."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError
from django.db.models import F

from billing import customers, gateway, idempotency
from billing.at_stripe import payment_methods as there
from billing.errors import StripeRefused
from billing.idempotency import BUSY_FOR, Asking
from billing.models import CardSetup
from billing.stripe_customers import KNOWN_AFTER
from billing.transactions import whole
from events import clock

Object = dict[str, Any]


def open(user_id: str, *, currency: str = "", asking: Asking) -> tuple[CardSetup, Object, bool]:
    """Open a setup intent. Returns our row, Stripe's intent with the secret, and whether it is a replay.

    The secret is nowhere kept: a replay fetches it again. Raises KeyReused, KeyInFlight, StripeRefused, StripeUnknown.
    """
    if setup := idempotency.earlier(CardSetup, asking):
        return setup, _intent(setup), True
    try:
        setup = _save(user_id, currency, asking)
    except IntegrityError:
        if setup := idempotency.earlier(CardSetup, asking):
            return setup, _intent(setup), True
        raise
    return setup, _send(setup, held=True), False


@whole
def _save(user_id: str, currency: str, asking: Asking) -> CardSetup:
    at = clock.now()
    customer = customers.lock(customers.of_user(user_id, at=at).pk)
    return CardSetup.objects.create(
        customer=customer, currency=currency.lower(), created_at=at, busy_until=at + BUSY_FOR, **asking.columns
    )


def _intent(setup: CardSetup) -> Object:
    found = gateway.fetch(setup.stripe_id) if setup.stripe_id else None
    return found or _send(setup)


def _send(setup: CardSetup, *, held: bool = False) -> Object:
    at = clock.now()
    if not held:
        idempotency.take(setup, at=at)
        setup.refresh_from_db()
    if at - setup.created_at > KNOWN_AFTER:
        # Stripe may answer the old key with its old 500 for a day. A setup that nobody finishes does no harm.
        _next_attempt(setup)
    try:
        found = there.open_setup(
            row=setup.pk,
            stripe_customer=customers.at_stripe(setup.customer, setup.currency),
            attempt=setup.attempt,
        )
        CardSetup.objects.filter(pk=setup.pk).update(stripe_id=found["id"])
    except StripeRefused:
        _next_attempt(setup)
        raise
    finally:
        idempotency.release(setup)
    return found


def _next_attempt(setup: CardSetup) -> None:
    CardSetup.objects.filter(pk=setup.pk).update(attempt=F("attempt") + 1)
    setup.refresh_from_db()
