"""Payment intents at Stripe: made, confirmed, canceled, and every charge that was tried for one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from billing import gateway
from billing.gateway import client, key

Object = dict[str, Any]


def create(params: Any, *, id: UUID, attempt: int) -> Object:
    """Make the intent of a payment."""
    return gateway.post(
        lambda options: client().v1.payment_intents.create(params, options), key("payment", id, "create", attempt)
    )


def confirm(stripe_id: str, *, id: UUID, attempt: int) -> Object:
    """Try to take the money by the method that the intent names. Raises StripeRefused for a declined card too."""
    return gateway.post(
        lambda options: client().v1.payment_intents.confirm(stripe_id, {}, options),
        key("payment", id, "confirm", attempt),
    )


def cancel(stripe_id: str) -> Object:
    """Cancel an intent that nobody has paid. Raises StripeRefused when it is paid, or canceled already."""
    return gateway.ask(lambda: client().v1.payment_intents.cancel(stripe_id))


def client_secret(stripe_id: str) -> str:
    """Read the secret by which a buyer's browser pays. It is asked for each time, because it is never kept."""
    return str(gateway.ask(lambda: client().v1.payment_intents.retrieve(stripe_id))["client_secret"])


def of_customer(stripe_customer: str) -> Iterator[Object]:
    """List the intents of a customer, newest first."""
    service: Any = client().v1.payment_intents
    return gateway.pages("pi_", lambda page: service.list({"customer": stripe_customer, **page}))


def completed(intent: Object) -> Object:
    """Return an intent with every charge that was tried for it in `charges`, newest first, not only the latest.

    Several tries may have gone by between two looks.
    """
    if not intent.get("latest_charge"):
        return intent
    service: Any = client().v1.charges
    charges = gateway.pages("ch_", lambda page: service.list({"payment_intent": intent["id"], **page}))
    return {**intent, "charges": list(charges)}
