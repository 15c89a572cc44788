"""Subscriptions at Stripe: started, changed, paused, and what a change would cost."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from billing.gateway import Object, ask, client, key, pages, post


def start(params: Any, *, id: UUID, attempt: int) -> Object:
    """Start a subscription. Raises StripeRefused and StripeUnknown, as all here do."""
    return post(lambda options: client().v1.subscriptions.create(params, options), key("order", id, "start", attempt))


def change(stripe_id: str, params: Any, *, id: UUID, attempt: int) -> Object:
    """Change what a subscription bills, once for each change of ours and attempt."""
    return post(
        lambda options: client().v1.subscriptions.update(stripe_id, params, options),
        key("change", id, "apply", attempt),
    )


def set_back(stripe_id: str, items: Any) -> Object:
    """Bill what was billed before, from the next invoice on. Repeating it changes nothing."""
    params: Any = {"items": items, "proration_behavior": "none"}
    return ask(lambda: client().v1.subscriptions.update(stripe_id, params))


def keep(stripe_id: str, *, at_period_end: bool) -> Object:
    """Undo an end that was planned: with the period, or for a moment. Repeating it changes nothing."""
    params: Any = {"cancel_at_period_end": False} if at_period_end else {"cancel_at": ""}
    return ask(lambda: client().v1.subscriptions.update(stripe_id, params))


def pause(stripe_id: str, *, resumes_at: datetime | None) -> Object:
    """Let the invoices to come be void. Repeating it changes nothing."""
    wanted: Any = {"behavior": "void"}
    if resumes_at:
        wanted["resumes_at"] = int(resumes_at.timestamp())
    return ask(lambda: client().v1.subscriptions.update(stripe_id, {"pause_collection": wanted}))


def collect_again(stripe_id: str) -> Object:
    """Undo `pause`. Repeating it changes nothing. Returns it with its customer, whose card may pay."""
    return ask(lambda: client().v1.subscriptions.update(stripe_id, {"pause_collection": "", "expand": ["customer"]}))


def begin_anew(stripe_id: str, *, id: UUID, instead_of: str, hour: int) -> Object:
    """Begin a period now and charge it whole, or raise CardDeclined and change nothing.

    `instead_of` names the period that was not paid, and what would pay: a declined card's answer is no other card's.
    One in each `hour`: whoever asks again after no answer, or at the same time, asks for the same.
    """
    params: Any = {
        "billing_cycle_anchor": "now",
        "proration_behavior": "none",
        "payment_behavior": "error_if_incomplete",
    }
    named = key("subscription", id, f"begin-{instead_of}", hour)
    return post(lambda options: client().v1.subscriptions.update(stripe_id, params, options), named)


def resume(stripe_id: str) -> Object:
    """Take up a subscription whose trial ended without a card: a new period begins, and is charged."""
    return ask(lambda: client().v1.subscriptions.resume(stripe_id, {"billing_cycle_anchor": "now"}))


def preview(stripe_id: str, details: Any) -> Object:
    """Work out the invoice that a change makes at once, or else the next one after it. Writes nothing."""
    params: Any = {"subscription": stripe_id, "subscription_details": details}
    return ask(lambda: client().v1.invoices.create_preview(params))


def client_secret(stripe_id: str) -> str | None:
    """Return what the buyer's browser needs to pay the open invoice, or to give a card for later; None for neither."""
    params: Any = {"expand": ["latest_invoice.confirmation_secret", "pending_setup_intent"]}
    found = ask(lambda: client().v1.subscriptions.retrieve(stripe_id, params))
    secret = (found["latest_invoice"] or {}).get("confirmation_secret") or found["pending_setup_intent"] or {}
    said: str | None = secret.get("client_secret")
    return said


def of_customer(stripe_customer: str) -> Iterator[Object]:
    """List the subscriptions of a customer, those that have ended too, newest first."""
    asked: Any = {"customer": stripe_customer, "status": "all"}
    return pages("sub_", lambda page: client().v1.subscriptions.list(asked | page))
