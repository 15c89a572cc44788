"""A look at Stripe's side, with Stripe's own client: what does Stripe say was sold, paid and given back?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import requests
import stripe

from proof.settings import Settings

# Attaches like any card, and is refused when it is charged (docs.stripe.com/testing, "Declined payments").
FAILS_WHEN_CHARGED = "4000000000000341"
AN_HOUR = 3600


class StripeSide:
    """Stripe, or the sandbox in its place."""

    def __init__(self, settings: Settings):
        session = requests.Session()
        # The sandbox is on this machine: a proxy of the environment does not know it.
        session.trust_env = not settings.has_sandbox
        self._client = stripe.StripeClient(
            settings.stripe_key,
            base_addresses={"api": settings.stripe_base},
            http_client=stripe.RequestsClient(session=session, timeout=20),
            max_network_retries=1,
        )

    def session(self, id: str) -> stripe.checkout.Session:
        """Return a checkout session."""
        return self._client.v1.checkout.sessions.retrieve(id)

    def intent(self, id: str) -> stripe.PaymentIntent:
        """Return a payment intent with its latest charge."""
        return self._client.v1.payment_intents.retrieve(id, {"expand": ["latest_charge"]})

    def intents_of(self, customer: str) -> Iterator[stripe.PaymentIntent]:
        """Return every payment intent of a customer, with its latest charge."""
        params: Any = {"customer": customer, "limit": 100, "expand": ["data.latest_charge"]}
        return self._client.v1.payment_intents.list(params).auto_paging_iter()

    def events_about(self, *ids: str, since: int) -> list[stripe.Event]:
        """Return the events of an hour whose object is, or belongs to, one of these; oldest first."""
        # Customers whose clock was moved have events in the future, those of earlier runs too.
        params: Any = {"created": {"gte": since, "lt": since + AN_HOUR}, "limit": 100}
        listed = self._client.v1.events.list(params).auto_paging_iter()
        return [event for event in reversed(list(listed)) if _names(event.data.object) & set(ids)]

    def give_failing_card(self, *, customer: str, subscription: str) -> None:
        """Let the subscription's next invoices be charged to a card that is refused."""
        card: Any = {"number": FAILS_WHEN_CHARGED, "exp_month": 12, "exp_year": 2034, "cvc": "123"}
        method = self._client.v1.payment_methods.create({"type": "card", "card": card})
        self._client.v1.payment_methods.attach(method.id, {"customer": customer})
        self._client.v1.subscriptions.update(subscription, {"default_payment_method": method.id})


def _names(found: Any) -> set[str]:
    named = (getattr(found, "id", None), getattr(found, "payment_intent", None))
    return {name for name in named if isinstance(name, str)}
