"""What follows when an invoice of a subscription is paid or is not."""

from sandbox import events, invoices, subscription_state
from sandbox.store import Obj, Store

DAY = 86400
# Days between one try and the next; Stripe's own schedule is learned, this one is fixed so that tests can count on it.
RETRY_DAYS = (3, 5, 7)
# What happens when the last try fails: cancel, unpaid or past_due (leave it so). Stripe's Dashboard has the same three.
AFTER_LAST_TRY = "cancel"


def next_attempt(store: Store, invoice: Obj) -> int | None:
    """Give the moment of the next automatic try after a failed one; None when there is no more.

    The first invoice of a subscription is not tried again: its buyer is there and pays, or it expires.
    """
    tries = int(invoice["attempt_count"])
    days = tuple(store.setting("retry_days", RETRY_DAYS))
    automatic = invoice["auto_advance"] and invoice["collection_method"] == "charge_automatically"
    if not automatic or invoice["billing_reason"] == "subscription_create" or tries > len(days):
        return None
    return store.now(invoice["customer"]) + int(days[max(tries, 1) - 1]) * DAY


@invoices.follows
def follow(store: Store, invoice: Obj, outcome: str) -> None:
    """Move the subscription to where the outcome of its invoice leaves it."""
    id = invoices.of_subscription(invoice)
    found = store.lookup(id) if id else None
    if found is None or found["status"] in subscription_state.ENDED:
        return
    if outcome == "paid":
        _paid(store, found, invoice)
    elif outcome == "failed":
        _failed(store, found, invoice)
    elif outcome in ("voided", "marked_uncollectible"):
        _given_up(store, found, invoice)


@invoices.follows
def follow_customer(store: Store, invoice: Obj, outcome: str) -> None:
    """Mark who owes: the customer whose last invoice was not paid in time."""
    customer = store.get("customer", invoice["customer"])
    owes = {"failed": True, "paid": False, "marked_uncollectible": False}.get(outcome)
    if owes is not None and not customer.get("deleted") and customer["delinquent"] != owes:
        events.emit(store, "customer.updated", store.put(customer | {"delinquent": owes}), {"delinquent": not owes})


def _paid(store: Store, subscription: Obj, invoice: Obj) -> None:
    new: Obj = {}
    if subscription["latest_invoice"] == invoice["id"] and subscription["status"] in WAITING_FOR_MONEY:
        now = store.now(subscription["customer"])
        new["status"] = "trialing" if (subscription["trial_end"] or 0) > now else "active"
    method = _method_used(store, invoice)
    settings = subscription["payment_settings"] or {}
    if method and settings.get("save_default_payment_method") == "on_subscription":
        new["default_payment_method"] = method
    subscription_state.change(store, subscription, **new)


def _failed(store: Store, subscription: Obj, invoice: Obj) -> None:
    if subscription["status"] == "incomplete":
        return
    if (subscription["_pending"] or {}).get("invoice") == invoice["id"]:
        # The change that this invoice asks money for has not happened, so nothing is owed.
        return
    latest = subscription["latest_invoice"] == invoice["id"]
    if latest and subscription["status"] in ("active", "trialing"):
        subscription = subscription_state.change(store, subscription, status="past_due")
    by_itself = invoice["auto_advance"] and invoice["collection_method"] == "charge_automatically"
    if by_itself and invoice["next_payment_attempt"] is None:
        _last_try_failed(store, subscription, invoice)


def _last_try_failed(store: Store, subscription: Obj, invoice: Obj) -> None:
    after = store.setting("after_last_try", AFTER_LAST_TRY)
    before, stopped = invoice, store.put(invoice | {"auto_advance": False})
    events.emit(store, "invoice.updated", stopped, events.changes(before, stopped))
    if after == "cancel":
        subscription_state.cancel(store, subscription, reason="payment_failed")
    elif after == "unpaid":
        subscription_state.change(store, subscription, status="unpaid")


def _given_up(store: Store, subscription: Obj, invoice: Obj) -> None:
    if subscription["status"] == "incomplete" and subscription["latest_invoice"] == invoice["id"]:
        ended = subscription_state.end(
            store, subscription, reason="cancellation_requested", status="incomplete_expired"
        )
        events.emit(store, "customer.subscription.updated", ended, {"status": "incomplete"})
    elif subscription["status"] in ("past_due", "unpaid") and subscription["latest_invoice"] == invoice["id"]:
        subscription_state.change(store, subscription, status="active")


def _method_used(store: Store, invoice: Obj) -> str | None:
    for payment in store.find("invoice_payment", invoice=invoice["id"], status="paid"):
        method: str | None = store.get("payment_intent", payment["_intent"])["payment_method"]
        return method
    return None


WAITING_FOR_MONEY = ("incomplete", "past_due", "unpaid")
