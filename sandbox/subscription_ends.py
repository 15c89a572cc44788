"""Ending a subscription at once, and taking up one that was paused."""

from typing import Any

from sandbox import (
    collection,
    errors,
    events,
    invoice_items,
    invoice_lines,
    invoices,
    planned_ends,
    proration,
    rendering,
    subscription_changes,
    subscription_items,
    subscription_state,
)
from sandbox.store import Obj, Store


def cancel(store: Store, subscription: Obj, params: dict[str, Any]) -> Obj:
    """End a subscription now; `prorate` gives credit for the rest, `invoice_now` settles what waits."""
    now = store.now(subscription["customer"])
    details = planned_ends.with_details(subscription, params)
    if subscription["status"] == "incomplete":
        return _never_started(store, subscription | {"cancellation_details": details})
    if params.get("prorate") and subscription["status"] != "trialing":
        for item in subscription_items.of(store, subscription):
            proration.credit(store, subscription, item, now)
    if params.get("invoice_now"):
        _settle_rest(store, subscription)
        subscription = store.get("subscription", subscription["id"])
    return subscription_state.cancel(
        store, subscription | {"cancellation_details": details}, reason=planned_ends.REQUESTED
    )


def resume(store: Store, subscription: Obj, params: dict[str, Any]) -> Obj:
    """Take up a paused subscription: a new period begins and its invoice is charged; unpaid, it stays paused."""
    if subscription["status"] != "paused":
        message = "You can only resume a subscription that is paused."
        raise errors.invalid(message, code="subscription_not_paused")
    now = store.now(subscription["customer"])
    shown = rendering.rendered(store, subscription)
    anchor = now if params.get("billing_cycle_anchor", "now") == "now" else subscription["billing_cycle_anchor"]
    subscription = store.put(subscription | {"billing_cycle_anchor": anchor})
    lines = []
    for item in subscription_items.of(store, subscription):
        end = subscription_items.period_of(store, subscription, item, now)[1]
        moved = subscription_items.move(store, item, (now, end))
        amount = proration.rest_of(store, subscription, moved, now)
        lines.append(invoice_lines.for_item(store, subscription, moved, (now, end), amount=amount))
    invoice = subscription_changes.draft(store, subscription, lines)
    subscription = store.put(subscription | {"latest_invoice": invoice["id"]})
    subscription_state.told(store, shown, subscription)
    collection.finalize_and_collect(store, invoice)
    return store.get("subscription", subscription["id"])


@invoices.follows
def follow(store: Store, invoice: Obj, outcome: str) -> None:
    """Make a paused subscription active once the invoice of its resumption is paid."""
    id = invoices.of_subscription(invoice)
    subscription = store.lookup(id) if id else None
    if subscription is None or subscription["status"] != "paused" or outcome != "paid":
        return
    if subscription["latest_invoice"] == invoice["id"] and invoice["billing_reason"] == "subscription_update":
        resumed = subscription_state.change(store, subscription, status="active")
        events.emit(store, "customer.subscription.resumed", resumed)


def _never_started(store: Store, subscription: Obj) -> Obj:
    """End what nobody paid: its invoice is void, and that ends it."""
    store.put(subscription)
    invoices.close(store, store.get("invoice", subscription["latest_invoice"]), "void")
    return store.get("subscription", subscription["id"])


def _settle_rest(store: Store, subscription: Obj) -> None:
    customer, currency = subscription["customer"], subscription["currency"]
    if not invoice_items.waiting(store, customer, subscription["id"], currency):
        return
    invoice = subscription_changes.draft(store, subscription, [])
    store.put(subscription | {"latest_invoice": invoice["id"]})
    collection.finalize_and_collect(store, invoice)
