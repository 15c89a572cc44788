"""What waits to be billed, and what was."""

from __future__ import annotations

from typing import Any

from billing import gateway, sync
from billing.models import Customer, Invoice, Subscription
from tests.buyer import Buyer


def bill_later(customer: Customer, amount: int = 500, subscription: Subscription | None = None, **more: Any) -> str:
    """Let an invoice item wait at Stripe, of a customer or of his subscription; return its id."""
    asked: Any = {"customer": str(customer.stripe_id), "amount": amount, "currency": "usd", "description": "Set-up"}
    if subscription:
        asked["subscription"] = subscription.stripe_id
    return str(gateway.ask(lambda: gateway.client().v1.invoice_items.create(asked | more))["id"])


def an_open_invoice(buyer: Buyer, *amounts: int) -> Invoice:
    """Make an invoice in the dashboard that nobody has paid yet, and look at it."""
    customer = str(buyer.customer.stripe_id)
    draft = buyer.stripe.post("invoices", customer=customer, currency="usd", auto_advance="false")["id"]
    for number, amount in enumerate(amounts or (700,)):
        buyer.stripe.post(
            "invoiceitems",
            customer=customer,
            amount=amount,
            currency="usd",
            invoice=draft,
            description=f"Part {number}",
        )
    buyer.stripe.post(f"invoices/{draft}/finalize")
    sync.look(draft)
    return Invoice.objects.get(stripe_id=draft)
