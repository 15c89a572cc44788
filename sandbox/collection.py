"""Collecting an invoice: its payment method, its tries, and what the card says."""

from collections.abc import Iterator
from contextvars import ContextVar
from functools import partial

from sandbox import clocks, dunning, events, invoice_payments, invoices, payment_intents, subscription_state
from sandbox.store import Obj, Store

# Whether the try that runs now is one of the schedule's own.
AUTOMATIC: ContextVar[bool] = ContextVar("automatic", default=False)


def method_of(store: Store, invoice: Obj) -> str | None:
    """Give the payment method that pays an invoice: its own, its subscription's, the customer's."""
    if invoice["default_payment_method"]:
        return str(invoice["default_payment_method"])
    subscription = invoices.of_subscription(invoice)
    if subscription:
        return subscription_state.method_of(store, store.get("subscription", subscription))
    customer = store.get("customer", invoice["customer"])
    return (customer.get("invoice_settings") or {}).get("default_payment_method") or customer.get("default_source")


def attempt(store: Store, invoice: Obj, method: str | None, *, off_session: bool = True, automatic: bool = True) -> Obj:
    """Try to charge an open invoice and give it as it stands then; without a method the try fails at once.

    Any try counts as the first; of the later ones only the automatic ones move the schedule.
    """
    payment = invoice_payments.open_of(store, invoice)
    if payment is None:
        return invoice
    schedule = AUTOMATIC.set(automatic)
    try:
        if method is None:
            _failed(store, invoice)
        else:
            _charge(store, invoice, payment, method, off_session=off_session)
    finally:
        AUTOMATIC.reset(schedule)
    return store.get("invoice", invoice["id"])


def finalize_and_collect(store: Store, invoice: Obj) -> Obj:
    """Finalize a draft and, where Stripe collects by itself, try to charge it."""
    invoice = invoices.finalize(store, invoice)
    if invoice["status"] == "open" and invoice["collection_method"] == "charge_automatically":
        return attempt(store, invoice, method_of(store, invoice))
    return invoice


@payment_intents.when_settled
def settled(store: Store, intent: Obj) -> None:
    """Carry the end of an intent's try over to the invoice that it pays."""
    payment = invoice_payments.by_intent(store, intent["id"])
    if payment is None or payment["status"] != "open":
        return
    invoice = store.get("invoice", payment["invoice"])
    if intent["status"] == "succeeded" and invoice["status"] in ("open", "uncollectible"):
        invoices.settle(store, invoice, by=payment, tries=_tries(invoice))
    elif intent["status"] == "requires_payment_method":
        _failed(store, invoice)


@clocks.scheduled
def due(store: Store, clock_id: str | None) -> Iterator[clocks.Due]:
    """Give the drafts to finalize and the invoices to try again on a clock."""
    for invoice in store.find("invoice", status="draft", auto_advance=True, test_clock=clock_id):
        if invoice["automatically_finalizes_at"] is not None:
            yield invoice["automatically_finalizes_at"], partial(_finalize_due, store, invoice["id"])
    for invoice in store.find("invoice", status="open", auto_advance=True, test_clock=clock_id):
        if invoice["next_payment_attempt"] is not None:
            yield invoice["next_payment_attempt"], partial(_try_again, store, invoice["id"])

    for invoice in store.find("invoice", _is_overdue, status="open", test_clock=clock_id):
        yield invoice["due_date"], partial(_overdue, store, invoice["id"])


def _is_overdue(invoice: Obj) -> bool:
    return invoice["due_date"] is not None and not invoice.get("_told_overdue")


def _overdue(store: Store, id: str) -> None:
    """Tell once that a sent invoice was not paid by its day."""
    invoice = store.get("invoice", id)
    if invoice["status"] == "open" and _is_overdue(invoice):
        invoice = store.put(invoice | {"_told_overdue": True})
        events.emit(store, "invoice.overdue", invoice)
        invoices.tell(store, invoice, "failed")


def _finalize_due(store: Store, id: str) -> None:
    invoice = store.get("invoice", id)
    if invoice["status"] == "draft" and invoice["auto_advance"]:
        finalize_and_collect(store, invoice)


def _try_again(store: Store, id: str) -> None:
    invoice = store.get("invoice", id)
    if invoice["status"] == "open" and invoice["auto_advance"]:
        attempt(store, invoice, method_of(store, invoice))


def _charge(store: Store, invoice: Obj, payment: Obj, method: str, *, off_session: bool) -> None:
    intent = store.get("payment_intent", payment["_intent"])
    intent = payment_intents.confirm_intent(store, intent, method, off_session=off_session)
    if intent["status"] == "requires_action":
        before = invoice
        invoice = store.put(invoice | {"attempted": True, "attempt_count": _tries(invoice)})
        events.emit(store, "invoice.updated", invoice, events.changes(before, invoice))
        events.emit(store, "invoice.payment_action_required", invoice)
        invoices.tell(store, invoice, "action_required")


def _tries(invoice: Obj) -> int:
    return int(invoice["attempt_count"]) + int(AUTOMATIC.get() or not invoice["attempted"])


def _failed(store: Store, invoice: Obj) -> None:
    before, counts = invoice, AUTOMATIC.get() or not invoice["attempted"]
    invoice = invoice | {"attempted": True, "attempt_count": _tries(invoice)}
    if counts:
        invoice["next_payment_attempt"] = dunning.next_attempt(store, invoice)
    store.put(invoice)
    changes = events.changes(before, invoice)
    if changes:
        events.emit(store, "invoice.updated", invoice, changes)
    events.emit(store, "invoice.payment_failed", invoice)
    invoices.tell(store, invoice, "failed")
