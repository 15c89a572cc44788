"""Changing a running subscription: its items, its trial, its anchor, and what that costs."""

from typing import Any

from sandbox import (
    amounts,
    collection,
    errors,
    invoice_items,
    invoice_lines,
    invoices,
    periods,
    planned_ends,
    proration,
    rendering,
    subscription_items,
    subscription_state,
    subscription_terms,
    subscriptions,
)
from sandbox.metadata import merged
from sandbox.store import Obj, Store

EDITED = ("collection_method", "days_until_due", "default_payment_method", "description", "trial_settings")


def apply(store: Store, subscription: Obj, params: dict[str, Any], *, billed: bool = False) -> Obj:
    """Lay the parameters of Stripe's update call over a subscription, and invoice at once what cannot wait.

    `billed` says that an invoice for the change is paid already, so that nothing is prorated or invoiced.
    """
    shown = rendering.rendered(store, subscription)
    before, old = subscription, subscription_items.of(store, subscription)
    now = store.now(subscription["customer"])
    subscription = store.put(subscription | _edited(store, subscription, params))
    subscription = _with_trial(store, subscription, params, now)
    new = _with_items(store, subscription, params.get("items") or [], now)
    restarts = _restarts(store, before, subscription, params, old, new)
    behavior = "none" if billed else params.get("proration_behavior") or "create_prorations"
    if behavior != "none" and before["status"] != "trialing":
        _prorate(store, before, subscription, old, new, int(params.get("proration_date") or now), restarts=restarts)
    subscription = _moved(store, subscription, new, now, restarts=restarts)
    subscription = store.put(subscription | planned_ends.asked(store, subscription, params))
    for each in params.get("add_invoice_items") or []:
        invoice_items.once(store, subscription, each)
    if not billed and _is_due(store, subscription, params, behavior, before, restarts=restarts):
        return _invoiced(store, subscription, shown, params, restarts=restarts)
    return subscription_state.told(store, shown, subscription)


def apply_or_refuse(store: Store, subscription: Obj, params: dict[str, Any]) -> Obj:
    """Apply a change whose invoice must be paid at once; a refused card raises and changes nothing."""
    with store.savepoint():
        changed = apply(store, subscription, params)
        if is_unpaid(store, subscription, changed):
            subscriptions.raise_unpaid(store, store.get("invoice", changed["latest_invoice"]))
    return changed


def is_unpaid(store: Store, before: Obj, after: Obj) -> bool:
    """Say whether a change made an invoice that still waits for its money."""
    made = after["latest_invoice"] != before["latest_invoice"]
    return bool(made and store.get("invoice", after["latest_invoice"])["status"] == "open")


def _edited(store: Store, subscription: Obj, params: dict[str, Any]) -> dict[str, Any]:
    if params.get("default_payment_method"):
        subscription_terms.check_method(store, subscription["customer"], params["default_payment_method"])
    edited = {key: params[key] if params[key] != "" else None for key in EDITED if key in params}
    if "pause_collection" in params:
        pause = params["pause_collection"]
        edited["pause_collection"] = {"resumes_at": None} | pause if pause else None
    if "payment_settings" in params:
        edited["payment_settings"] = subscription["payment_settings"] | params["payment_settings"]
    edited["metadata"] = merged(subscription["metadata"], params.get("metadata"))
    return edited | {"cancellation_details": planned_ends.with_details(subscription, params)}


def _with_trial(store: Store, subscription: Obj, params: dict[str, Any], now: int) -> Obj:
    end = params.get("trial_end")
    if end is None or (end == "now" and subscription["status"] != "trialing"):
        return subscription
    if end == "now":
        return store.put(subscription | {"status": "active", "trial_end": now})
    moment = subscription_terms.trial_end_of({"trial_end": end}, {}, now)
    trial = {"status": "trialing", "trial_start": subscription["trial_start"] or now, "trial_end": moment}
    told = {"billing_cycle_anchor": moment, "_trial_told": False}
    return store.put(subscription | trial | told)


def _with_items(store: Store, subscription: Obj, asked: list[dict[str, Any]], now: int) -> list[Obj]:
    """Change, add and remove the items that the parameters name."""
    for place, given in enumerate(asked):
        at = f"items[{place}]"
        if not given.get("id"):
            price = subscription_items.chosen_price(store, given, at=at)
            cycle = periods.containing(subscription["billing_cycle_anchor"], price["recurring"], now)
            end = subscription["trial_end"] if subscription["status"] == "trialing" else cycle[1]
            subscription_items.add(store, subscription, given, price, (now, end), at=at)
            continue
        item = store.get("subscription_item", given["id"], param=f"{at}[id]")
        if item["subscription"] != subscription["id"]:
            raise errors.missing("subscription_item", item["id"], f"{at}[id]")
        if given.get("deleted"):
            store.drop("subscription_item", item["id"])
        else:
            subscription_items.change(store, subscription, item, given, at=at)
    left = subscription_items.of(store, subscription)
    if not left:
        message = "A subscription must have at least one active plan. To cancel it, cancel the subscription."
        raise errors.invalid(message, param="items")
    return left


def _restarts(store: Store, before: Obj, after: Obj, params: dict[str, Any], old: list[Obj], new: list[Obj]) -> bool:
    """Say whether the billing period starts anew (docs.stripe.com/billing/subscriptions/change-price)."""
    if after["status"] == "trialing":
        return False
    ended_trial = before["status"] == "trialing"
    was_free, is_free = (not _total(store, after, items) for items in (old, new))
    kept = {item["id"]: _interval(store, item) for item in old}
    other_interval = any(kept.get(item["id"], _interval(store, item)) != _interval(store, item) for item in new)
    return params.get("billing_cycle_anchor") == "now" or ended_trial or was_free != is_free or other_interval


def _interval(store: Store, item: Obj) -> tuple[str, int]:
    recurring = subscription_items.price_of(store, item)["recurring"]
    return recurring["interval"], recurring["interval_count"]


def _total(store: Store, subscription: Obj, items: list[Obj]) -> int:
    prices = [(subscription_items.price_of(store, item), item["quantity"]) for item in items]
    return sum(amounts.amount_of(price, quantity, subscription["currency"]) for price, quantity in prices)


def _prorate(store: Store, before: Obj, after: Obj, old: list[Obj], new: list[Obj], at: int, *, restarts: bool) -> None:
    """Give back the rest of what changed and, in a period that goes on, ask for the rest of what replaces it."""
    same = {(item["id"], item["price"], item["quantity"]) for item in old} & {
        (item["id"], item["price"], item["quantity"]) for item in new
    }
    starts_over = restarts or after["status"] == "trialing"
    for item in old:
        if starts_over or (item["id"], item["price"], item["quantity"]) not in same:
            proration.credit(store, before, item, at)
    for item in new:
        if not starts_over and (item["id"], item["price"], item["quantity"]) not in same:
            proration.charge(store, after, item, at)


def _moved(store: Store, subscription: Obj, items: list[Obj], now: int, *, restarts: bool) -> Obj:
    if restarts:
        subscription = store.put(subscription | {"billing_cycle_anchor": now})
        for item in items:
            subscription_items.move(store, item, subscription_items.period_of(store, subscription, item, now))
    elif subscription["status"] == "trialing":
        for item in items:
            start = max(item["current_period_start"], subscription["trial_start"])
            subscription_items.move(store, item, (start, subscription["trial_end"]))
    return subscription


def _is_due(
    store: Store, subscription: Obj, params: dict[str, Any], behavior: str, before: Obj, *, restarts: bool
) -> bool:
    if restarts:
        return True
    starts_trial = subscription["status"] == "trialing" and before["status"] != "trialing"
    waiting = invoice_items.waiting(store, subscription["customer"], subscription["id"], subscription["currency"])
    prorated = any(item["proration"] for item in waiting)
    return starts_trial or (behavior == "always_invoice" and prorated) or bool(params.get("add_invoice_items"))


def _invoiced(store: Store, subscription: Obj, shown: Obj, params: dict[str, Any], *, restarts: bool) -> Obj:
    """Invoice a change at once, and try to charge it."""
    lines = []
    if restarts:
        lines = [
            invoice_lines.for_item(
                store, subscription, item, (item["current_period_start"], item["current_period_end"])
            )
            for item in subscription_items.of(store, subscription)
        ]
    invoice = draft(store, subscription, lines)
    subscription = store.put(subscription | {"latest_invoice": invoice["id"]})
    subscription = subscription_state.told(store, shown, subscription)
    collect(store, subscription, invoice, params)
    return store.get("subscription", subscription["id"])


def draft(store: Store, subscription: Obj, lines: list[Obj]) -> Obj:
    """Draft the invoice of a change, with all that waits for it."""
    settings = subscriptions.invoice_settings(store, subscription)
    customer = subscription["customer"]
    invoice = invoices.draft(store, customer, billing_reason="subscription_update", lines=lines, **settings)
    pending = invoice_items.waiting(store, customer, subscription["id"], subscription["currency"])
    return invoice_items.take(store, invoice, pending)


def collect(store: Store, subscription: Obj, invoice: Obj, params: dict[str, Any]) -> None:
    """Finalize the invoice of a change and charge it, unless the buyer shall confirm first."""
    invoice = invoices.finalize(store, invoice)
    if invoice["status"] != "open" or invoice["collection_method"] == "send_invoice":
        return
    if params.get("payment_behavior") == "default_incomplete":
        subscription_state.change(store, subscription, status="past_due")
        return
    off_session = bool(params.get("off_session"))
    collection.attempt(store, invoice, collection.method_of(store, invoice), off_session=off_session)
