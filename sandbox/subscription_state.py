"""Changes of a subscription's state, each told once."""

from typing import Any

from sandbox import customers, events, rendering, subscription_items
from sandbox.store import Obj, Store

KIND = "subscription"
# Billed on: these have a next period.
RUNNING = ("trialing", "active", "past_due", "unpaid")
ENDED = ("canceled", "incomplete_expired")


def change(store: Store, subscription: Obj, **new: Any) -> Obj:
    """Write new values and tell of those that differ; an unchanged subscription is silent."""
    return told(store, rendering.rendered(store, subscription), store.put(subscription | new))


def told(store: Store, shown_before: Obj, after: Obj) -> Obj:
    """Tell what differs from what a subscription showed before, its items included."""
    shown = rendering.rendered(store, after)
    changes = events.changes(shown_before, shown)
    if changes:
        events.emit(store, "customer.subscription.updated", after, changes)
    return after


def end(store: Store, subscription: Obj, *, reason: str, status: str = "canceled", **details: Any) -> Obj:
    """End a subscription now; its open and draft invoices are collected no further."""
    now = store.now(subscription["customer"])
    told_of = subscription["cancellation_details"] | {
        "reason": subscription["cancellation_details"]["reason"] or reason
    }
    subscription = subscription | {
        "status": status,
        "canceled_at": subscription["canceled_at"] or now,
        "cancellation_details": told_of | details,
        "ended_at": now,
        "pending_update": None,
        "_pending": None,
    }
    store.put(subscription)
    for invoice in store.find("invoice", _subscription=subscription["id"]):
        if invoice["status"] in ("draft", "open") and invoice["auto_advance"]:
            off = {"auto_advance": False, "next_payment_attempt": None, "automatically_finalizes_at": None}
            stopped = store.put(invoice | off)
            events.emit(store, "invoice.updated", stopped, events.changes(invoice, stopped))
    return subscription


def cancel(store: Store, subscription: Obj, *, reason: str, **details: Any) -> Obj:
    """End a subscription now and tell of it."""
    subscription = end(store, subscription, reason=reason, **details)
    events.emit(store, "customer.subscription.deleted", subscription)
    return subscription


def method_of(store: Store, subscription: Obj) -> str | None:
    """Give the payment method that pays: the subscription's, else the customer's default."""
    customer = store.get("customer", subscription["customer"])
    default = (customer.get("invoice_settings") or {}).get("default_payment_method")
    return subscription["default_payment_method"] or default or customer.get("default_source")


@customers.when_deleted
def end_of_customer(store: Store, customer: Obj) -> None:
    """End what a deleted customer still has."""
    for subscription in store.find(KIND, lambda each: each["status"] not in ENDED, customer=customer["id"]):
        cancel(store, subscription, reason="cancellation_requested")


@rendering.renders(KIND)
def with_items(store: Store, subscription: Obj) -> Obj:
    if "items" in subscription:
        return subscription
    return subscription | {"items": subscription_items.shown(store, subscription)}
