"""What time does to a subscription: renewals, ends of trials, planned ends, expiry of what nobody paid."""

from collections.abc import Callable, Iterator
from functools import partial

from sandbox import (
    clocks,
    events,
    invoice_items,
    invoice_lines,
    invoices,
    planned_ends,
    rendering,
    subscription_items,
    subscription_state,
    subscriptions,
)
from sandbox.store import Obj, Store

# An incomplete subscription waits this long for its first payment (docs.stripe.com/billing/subscriptions/overview).
INCOMPLETE_SECONDS = 23 * 3600
Step = Callable[[Store, Obj], None]


@clocks.scheduled
def due(store: Store, clock_id: str | None) -> Iterator[clocks.Due]:
    """Give what falls due for the subscriptions on a clock."""
    for subscription in store.find("subscription", _is_alive, test_clock=clock_id):
        yield from _due_of(store, subscription)


def renew(store: Store, subscription: Obj) -> None:
    """Move the items whose period ended into the next one, and draft its invoice."""
    now = store.now(subscription["customer"])
    shown = rendering.rendered(store, subscription)
    ended = [each for each in subscription_items.of(store, subscription) if each["current_period_end"] <= now]
    before = (min(each["current_period_start"] for each in ended), now)
    moved = [
        subscription_items.move(store, each, subscription_items.period_of(store, subscription, each, now))
        for each in ended
    ]
    if subscription["status"] == "trialing":
        subscription = subscription | {"status": "active"}
    invoice = _cycle_invoice(store, subscription, moved, before)
    subscription_state.told(store, shown, store.put(subscription | {"latest_invoice": invoice["id"]}))
    _as_paused(store, subscription, invoice)


def _is_alive(subscription: Obj) -> bool:
    return subscription["status"] not in subscription_state.ENDED


def _due_of(store: Store, subscription: Obj) -> Iterator[clocks.Due]:
    for moment, step in _steps(store, subscription):
        yield moment, partial(_if_still_due, store, subscription["id"], step)


def _steps(store: Store, subscription: Obj) -> Iterator[tuple[int, Step]]:
    """Give what falls due, and when; what ends a subscription comes before what goes on with it."""
    if subscription["cancel_at"] is not None:
        yield subscription["cancel_at"], _cancel
    if subscription["status"] == "incomplete":
        yield subscription["created"] + INCOMPLETE_SECONDS, _expire
    if (subscription["pause_collection"] or {}).get("resumes_at"):
        yield subscription["pause_collection"]["resumes_at"], _unpause
    if subscription["status"] == "trialing" and not subscription["_trial_told"]:
        warned_at = subscription["trial_end"] - 3 * subscriptions.DAY
        yield max(subscription["created"], warned_at), subscriptions.warn_before_trial_ends
    if subscription["status"] in subscription_state.RUNNING:
        ends = [item["current_period_end"] for item in subscription_items.of(store, subscription)]
        yield min(ends), _period_ended


def _if_still_due(store: Store, id: str, step: Step) -> None:
    subscription = store.get("subscription", id)
    now = store.now(subscription["customer"])
    if _is_alive(subscription) and any(
        moment <= now and due_step is step for moment, due_step in _steps(store, subscription)
    ):
        step(store, subscription)


def _cancel(store: Store, subscription: Obj) -> None:
    reason = subscription["cancellation_details"]["reason"] or planned_ends.REQUESTED
    subscription_state.cancel(store, subscription, reason=reason)


def _unpause(store: Store, subscription: Obj) -> None:
    subscription_state.change(store, subscription, pause_collection=None)


def _period_ended(store: Store, subscription: Obj) -> None:
    """Renew, but for a trial that ends without a payment method and was told to pause or cancel then."""
    missing = subscription["trial_settings"]["end_behavior"]["missing_payment_method"]
    trial_over = subscription["status"] == "trialing" and subscription["collection_method"] == "charge_automatically"
    if not trial_over or missing == "create_invoice" or subscription_state.method_of(store, subscription):
        renew(store, subscription)
    elif missing == "cancel":
        subscription_state.cancel(store, subscription, reason="cancellation_requested")
    else:
        paused = subscription_state.change(store, subscription, status="paused")
        events.emit(store, "customer.subscription.paused", paused)


def _expire(store: Store, subscription: Obj) -> None:
    """End a subscription that nobody paid; its follower ends it when the invoice is void."""
    invoice = store.get("invoice", subscription["latest_invoice"])
    invoices.close(store, invoice, "void")


def _cycle_invoice(store: Store, subscription: Obj, items: list[Obj], before: tuple[int, int]) -> Obj:
    pause = (subscription["pause_collection"] or {}).get("behavior")
    advances = subscription["status"] != "unpaid" and pause != "keep_as_draft"
    now = store.now(subscription["customer"])
    lines = [
        invoice_lines.for_item(store, subscription, item, (item["current_period_start"], item["current_period_end"]))
        for item in items
    ]
    invoice = invoices.draft(
        store,
        subscription["customer"],
        auto_advance=advances,
        automatically_finalizes_at=now + invoices.DRAFT_SECONDS if advances else None,
        billing_reason="subscription_cycle",
        lines=lines,
        period_start=before[0],
        period_end=before[1],
        **subscriptions.invoice_settings(store, subscription),
    )
    pending = invoice_items.waiting(store, subscription["customer"], subscription["id"], subscription["currency"])
    return invoice_items.take(store, invoice, pending)


def _as_paused(store: Store, subscription: Obj, invoice: Obj) -> None:
    """Give up the invoice of a subscription whose collection is paused so."""
    behavior = (subscription["pause_collection"] or {}).get("behavior")
    if behavior in ("void", "mark_uncollectible"):
        status = "void" if behavior == "void" else "uncollectible"
        opened = invoices.finalize(store, invoice | {"auto_advance": False})
        if opened["status"] == "open":
            invoices.close(store, opened, status)
