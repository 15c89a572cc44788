from __future__ import annotations

from typing import Any
from uuid import UUID

from billing import gateway
from billing.gateway import Object


def open_setup(*, row: UUID, stripe_customer: str, attempt: int) -> Object:
    """Make a setup intent, by whose secret a browser leaves a card at Stripe."""
    params: Any = {
        "customer": stripe_customer,
        "usage": "off_session",
        "automatic_payment_methods": {"enabled": True},
        "metadata": {"card_setup_id": str(row)},
    }
    key = gateway.key("card_setup", row, "open", attempt)
    return gateway.post(lambda options: gateway.client().v1.setup_intents.create(params, options), key)


def attach(stripe_id: str, stripe_customer: str) -> Object:
    """Give a payment method to a customer. Repeating it changes nothing, so it needs no key."""
    return gateway.ask(lambda: gateway.client().v1.payment_methods.attach(stripe_id, {"customer": stripe_customer}))


def detach(stripe_id: str) -> Object:
    """Take a payment method from its customer, for good. Raises StripeRefused when nobody has it."""
    return gateway.ask(lambda: gateway.client().v1.payment_methods.detach(stripe_id))


def use_for(subscription: str, method: str) -> Object:
    """Let a subscription be paid by this method. Repeating it changes nothing."""
    params: Any = {"default_payment_method": method}
    return gateway.ask(lambda: gateway.client().v1.subscriptions.update(subscription, params))
