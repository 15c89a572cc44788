"""What an invoice would say: the work is done, looked at, and undone."""

from typing import Any

from sandbox import (
    clocks,
    customers,
    cycles,
    errors,
    invoice_items,
    invoices,
    rendering,
    routes,
    served,
    subscription_changes,
    subscription_ends,
    subscription_items,
    subscriptions,
)
from sandbox.routes import Call
from sandbox.store import Obj, Store

OF_SUBSCRIPTION = (
    *("billing_cycle_anchor", "cancel_at", "cancel_at_period_end", "cancel_now", "items", "metadata"),
    *("proration_behavior", "proration_date", "start_date", "trial_end"),
)


class _Seen(Exception):
    """Carries the invoice out of the work that is undone."""

    def __init__(self, invoice: Obj) -> None:
        super().__init__("seen")
        self.invoice = invoice


@routes.route("POST", "/v1/invoices/create_preview", params="InvoiceCreatePreviewParams")
def create_preview(call: Call) -> Obj:
    served.only(
        call.params, "currency", "customer", "customer_details", "invoice_items", "subscription", "subscription_details"
    )
    served.only(call.params.get("subscription_details") or {}, *OF_SUBSCRIPTION)
    store = call.store
    try:
        with store.savepoint():
            customer = _customer(store, call.params)
            for given in call.params.get("invoice_items") or []:
                invoice_items.write(store, customer, given)
            raise _Seen(_preview(store, _invoice(store, customer, call.params)))
    except _Seen as seen:
        return seen.invoice


def _customer(store: Store, params: dict[str, Any]) -> Obj:
    if params.get("customer"):
        return customers.existing(store, params["customer"])
    if params.get("subscription"):
        subscription = store.get("subscription", params["subscription"], param="subscription")
        return store.get("customer", subscription["customer"])
    return customers.make(store)


def _invoice(store: Store, customer: Obj, params: dict[str, Any]) -> Obj:
    details = dict(params.get("subscription_details") or {})
    if params.get("subscription"):
        subscription = store.get("subscription", params["subscription"], param="subscription")
        if subscription["customer"] != customer["id"]:
            raise errors.missing("subscription", subscription["id"], "subscription")
        return _of_existing(store, subscription, details)
    if details.get("items"):
        return _of_new(store, customer, params, details)
    if not params.get("invoice_items"):
        raise errors.invalid("No upcoming invoices for customer", code="invoice_upcoming_none")
    currency = params.get("currency") or customer["currency"] or "usd"
    invoice = invoices.draft(store, customer["id"], billing_reason="upcoming", currency=currency)
    return invoice_items.take(store, invoice, invoice_items.waiting(store, customer["id"], None, currency))


def _of_new(store: Store, customer: Obj, params: dict[str, Any], details: dict[str, Any]) -> Obj:
    items = details.pop("items")
    given = details | ({"currency": params["currency"]} if params.get("currency") else {})
    subscription = subscriptions.made(store, customer, items, given)
    return subscriptions.first_invoice(store, subscription, given)


def _of_existing(store: Store, subscription: Obj, details: dict[str, Any]) -> Obj:
    """Give the invoice that a change makes at once, or else the next one of the subscription as it is then."""
    if details.pop("cancel_now", False):
        asked = {"prorate": details.get("proration_behavior") != "none", "invoice_now": True}
        after = subscription_ends.cancel(store, subscription, asked)
        return _made_by(store, subscription, after)
    if details:
        # Whether the card would pay is not the question.
        changed = subscription_changes.apply(store, subscription, details | {"payment_behavior": "default_incomplete"})
        if changed["latest_invoice"] != subscription["latest_invoice"]:
            return store.get("invoice", changed["latest_invoice"])
        subscription = changed
    return _next_one(store, subscription)


def _made_by(store: Store, before: Obj, after: Obj) -> Obj:
    if after["latest_invoice"] == before["latest_invoice"]:
        raise errors.invalid("No upcoming invoices for customer", code="invoice_upcoming_none")
    return store.get("invoice", after["latest_invoice"])


def _next_one(store: Store, subscription: Obj) -> Obj:
    end = min(item["current_period_end"] for item in subscription_items.of(store, subscription))
    ends_first = subscription["cancel_at"] is not None and subscription["cancel_at"] <= end
    if ends_first or subscription["status"] in ("canceled", "incomplete_expired", "paused"):
        raise errors.invalid("No upcoming invoices for customer", code="invoice_upcoming_none")
    clocks.set_reading(store, subscription["test_clock"], end)
    cycles.renew(store, subscription)
    return store.get("invoice", store.get("subscription", subscription["id"])["latest_invoice"])


def _preview(store: Store, invoice: Obj) -> Obj:
    """Show an invoice as a preview: a draft without number or address, whose id finds nothing."""
    shown = rendering.rendered(store, invoice)
    unset = dict.fromkeys(("automatically_finalizes_at", "effective_at", "ending_balance", "hosted_invoice_url"))
    unset |= dict.fromkeys(("invoice_pdf", "next_payment_attempt", "number"))
    counts = {"amount_paid": 0, "amount_remaining": invoice["amount_due"], "attempt_count": 0, "attempted": False}
    transitions = dict.fromkeys(invoice["status_transitions"])
    reason = "upcoming" if invoice["billing_reason"] != "manual" else "manual"
    return (
        shown
        | unset
        | counts
        | {
            "id": f"upcoming_{invoice['id']}",
            "auto_advance": False,
            "billing_reason": reason,
            "status": "draft",
            "status_transitions": transitions,
        }
    )
