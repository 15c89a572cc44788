"""Invoices at Stripe: make one of what waits, finish it, give it up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from billing import gateway
from billing.errors import StripeRefused
from billing.gateway import ask, client, key, pages, post

Object = dict[str, Any]
SEEN: Any = {"expand": gateway.EXPAND["in_"]}


def with_all_lines(invoice: Object) -> Object:
    """Fill in the lines beyond the ten that stand in an invoice. Raises as `gateway.ask` does."""
    if not invoice["lines"]["has_more"]:
        return invoice
    every = list(pages("il_", lambda page: client().v1.invoices.line_items.list(invoice["id"], page)))
    return {**invoice, "lines": {**invoice["lines"], "data": every, "has_more": False}}


def waiting_items(stripe_customer: str) -> Iterator[Object]:
    """List the invoice items of a customer that no invoice has taken yet, newest first."""
    asked: Any = {"customer": stripe_customer, "pending": True}
    return pages("ii_", lambda page: client().v1.invoice_items.list(page | asked))


def draft(params: Any, *, id: UUID, attempt: int) -> Object:
    """Make an empty draft, which Stripe leaves alone until it is finalized."""
    sent: Any = {
        **params,
        "auto_advance": False,
        "pending_invoice_items_behavior": "exclude",
        "metadata": {"invoice_id": str(id)},
    }
    return post(lambda options: client().v1.invoices.create(sent, options), key("invoice", id, "create", attempt))


def add_items(stripe_id: str, items: list[str], *, id: UUID, attempt: int) -> Object:
    """Put waiting items on a draft, all of them or none."""
    sent: Any = {"lines": [{"invoice_item": item} for item in items]}
    return post(
        lambda options: client().v1.invoices.add_lines(stripe_id, sent, options), key("invoice", id, "fill", attempt)
    )


def finalize(stripe_id: str, *, id: UUID, attempt: int) -> Object:
    """Give a draft its number, and let Stripe collect it."""
    sent: Any = {**SEEN, "auto_advance": True}
    return post(
        lambda options: client().v1.invoices.finalize_invoice(stripe_id, sent, options),
        key("invoice", id, "finalize", attempt),
    )


def delete(stripe_id: str) -> None:
    """Delete a draft: its items wait again. One that is gone already is no error."""
    try:
        ask(lambda: client().v1.invoices.delete(stripe_id))
    except StripeRefused as refusal:
        if refusal.stripe_code != "resource_missing":
            raise


def close(stripe_id: str, *, void: bool) -> Object:
    """Void an open invoice, or mark it uncollectible. Raises StripeRefused when its status does not allow that."""
    if void:
        return ask(lambda: client().v1.invoices.void_invoice(stripe_id, SEEN))
    return ask(lambda: client().v1.invoices.mark_uncollectible(stripe_id, SEEN))


def with_our_id(stripe_customer: str, id: UUID) -> Object | None:
    """Find the invoice that was made for a row of ours."""
    listed = pages("in_", lambda page: client().v1.invoices.list(page | {"customer": stripe_customer}))
    return next((one for one in listed if gateway.our_id(one, "invoice_id") == id), None)
