"""Each try to take the money of a payment, as its charge at Stripe tells of it."""

from __future__ import annotations

from typing import Any

from billing.models import Payment, PaymentAttempt
from billing.times import moment

Object = dict[str, Any]


def settle_all(payment: Payment, intent: Object) -> None:
    """Write a row for every charge of a locked payment's intent. May be repeated."""
    latest = intent.get("latest_charge")
    charges = intent.get("charges") or ([latest] if isinstance(latest, dict) else [])
    for charge in reversed(charges):
        PaymentAttempt.objects.update_or_create(
            stripe_id=charge["id"], defaults={"payment": payment, **_columns(charge)}
        )


def _columns(charge: Object) -> Object:
    failure, outcome = charge.get("failure_code") or "", charge.get("outcome") or {}
    card = (charge.get("payment_method_details") or {}).get("card") or {}
    return {
        "status": charge["status"],
        "failure_code": failure,
        # What the bank said; the same field tells of risk where the money was taken.
        "decline_code": (outcome.get("reason") or "") if failure else "",
        "card_country": card.get("country") or "",
        "amount_minor": charge["amount"],
        "currency": charge["currency"],
        "tried_at": moment(charge["created"]),
    }
