from __future__ import annotations

from billing import gateway
from billing.gateway import Object


def of_intent(intent: Object) -> list[Object]:
    """List the disputes of a fetched payment intent, oldest first. Asks nothing when its charge has none.

    Raises StripeUnknown, StripeRefused.
    """
    if not (intent.get("latest_charge") or {}).get("disputed"):
        return []
    named = {"payment_intent": intent["id"]}
    found = list(gateway.pages("du_", lambda page: gateway.client().v1.disputes.list(page | named)))
    return found[::-1]
