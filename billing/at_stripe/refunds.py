"""Refunds at Stripe."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from billing import gateway
from billing.gateway import client

Object = dict[str, Any]


def of_intent(stripe_id: str) -> Iterator[Object]:
    """List all refunds of an intent, newest first."""
    service: Any = client().v1.refunds
    return gateway.pages("re_", lambda page: service.list({"payment_intent": stripe_id, **page}))


def completed(intent: Object) -> Object:
    """Return an intent with all refunds of its charge: Stripe expands the newest ten only."""
    charge = intent.get("latest_charge")
    if not isinstance(charge, dict) or not (charge.get("refunds") or {}).get("has_more"):
        return intent
    refunds = {**charge["refunds"], "data": list(of_intent(intent["id"])), "has_more": False}
    return {**intent, "latest_charge": {**charge, "refunds": refunds}}
