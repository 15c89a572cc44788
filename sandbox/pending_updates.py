"""Changes that wait for their money: `payment_behavior=pending_if_incomplete`."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from sandbox import (
    clocks,
    events,
    invoice_lines,
    invoices,
    rendering,
    served,
    subscription_changes,
    subscription_items,
    subscription_state,
)
from sandbox.store import Obj, Store

# How long a change waits (docs.stripe.com/billing/subscriptions/pending-updates).
WAITING_SECONDS = 23 * 3600
# The parameters that may wait, as that page lists them.
MAY_WAIT = (
    *("items", "off_session", "payment_behavior", "proration_behavior", "proration_date", "billing_cycle_anchor"),
    *("trial_end", "trial_from_plan"),
)
LINE_KEYS = (
    *("amount", "currency", "description", "discountable", "metadata", "parent", "period", "pricing", "quantity"),
    "subscription",
)


class _Unpaid(Exception):
    """Carries what an unpaid change would have been out of the work that is undone."""

    def __init__(self, lines: list[Obj], items: list[Obj], subscription: Obj) -> None:
        super().__init__("unpaid")
        self.lines, self.items, self.subscription = lines, items, subscription


def apply_or_wait(store: Store, subscription: Obj, params: dict[str, Any]) -> Obj:
    """Apply a change whose invoice is paid at once; else keep the subscription as it is until the money comes."""
    served.only(params, *MAY_WAIT)
    now = store.now(subscription["customer"])
    # The money may come hours later; what was prorated for this moment stays.
    params = {"proration_date": now} | params
    try:
        with store.savepoint():
            changed = subscription_changes.apply(store, subscription, params)
            if subscription_changes.is_unpaid(store, subscription, changed):
                raise _unpaid(store, changed)
            return changed
    except _Unpaid as unpaid:
        return _wait(store, subscription, params, unpaid)


@invoices.follows
def follow(store: Store, invoice: Obj, outcome: str) -> None:
    """Apply the change whose invoice is paid; forget the one whose invoice is void."""
    id = invoices.of_subscription(invoice)
    subscription = store.lookup(id) if id else None
    if subscription is None or (subscription["_pending"] or {}).get("invoice") != invoice["id"]:
        return
    if outcome == "paid":
        params = subscription["_pending"]["params"]
        settled = store.put(subscription | {"_pending": None, "pending_update": None})
        applied = subscription_changes.apply(store, settled, params, billed=True)
        events.emit(store, "customer.subscription.pending_update_applied", applied)
    elif outcome in ("voided", "marked_uncollectible"):
        expired = subscription_state.change(store, subscription, _pending=None, pending_update=None)
        events.emit(store, "customer.subscription.pending_update_expired", expired)


@clocks.scheduled
def due(store: Store, clock_id: str | None) -> Iterator[clocks.Due]:
    """Give the moments at which waiting changes are given up."""
    for subscription in store.find("subscription", lambda each: bool(each["_pending"]), test_clock=clock_id):
        expires_at = subscription["pending_update"]["expires_at"]
        yield expires_at, partial(_expire, store, subscription["_pending"]["invoice"])


def _expire(store: Store, invoice_id: str) -> None:
    invoice = store.get("invoice", invoice_id)
    if invoice["status"] == "open":
        invoices.close(store, invoice, "void")


def _unpaid(store: Store, changed: Obj) -> _Unpaid:
    lines = invoice_lines.of(store, changed["latest_invoice"])
    items = [rendering.rendered(store, item) for item in subscription_items.of(store, changed)]
    return _Unpaid([{key: line[key] for key in LINE_KEYS} for line in lines], items, changed)


def _wait(store: Store, subscription: Obj, params: dict[str, Any], unpaid: _Unpaid) -> Obj:
    waiting = subscription["_pending"]
    if waiting:
        invoices.close(store, store.get("invoice", waiting["invoice"]), "void")
        subscription = store.get("subscription", subscription["id"])
    invoice = subscription_changes.draft(store, subscription, unpaid.lines)
    # Nobody tries again by itself: the change itself waits for the buyer.
    invoice = store.put(invoice | {"auto_advance": False})
    update = {
        "billing_cycle_anchor": unpaid.subscription["billing_cycle_anchor"] if _restarts(params) else None,
        "discount": None,
        "discounts": [],
        "expires_at": store.now(subscription["customer"]) + WAITING_SECONDS,
        "metadata": None,
        "subscription_items": unpaid.items,
        "trial_end": unpaid.subscription["trial_end"] if "trial_end" in params else None,
        "trial_from_plan": params.get("trial_from_plan"),
    }
    pending = {"invoice": invoice["id"], "params": params}
    changed = {"pending_update": update, "_pending": pending, "latest_invoice": invoice["id"]}
    subscription = subscription_state.change(store, subscription, **changed)
    subscription_changes.collect(store, subscription, invoice, {"off_session": params.get("off_session")})
    return store.get("subscription", subscription["id"])


def _restarts(params: dict[str, Any]) -> bool:
    return params.get("billing_cycle_anchor") == "now"
