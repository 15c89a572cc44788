"""Invoices: from draft to paid, void or uncollectible."""

from collections.abc import Callable
from typing import Any

from sandbox import account, currencies, errors, events, invoice_lines, invoice_payments, payment_intents, rendering
from sandbox.store import Obj, Store

KIND = "invoice"
# A draft that the clock made waits this long, so that others can still add lines (docs.stripe.com/billing/invoices).
DRAFT_SECONDS = 3600
Follower = Callable[[Store, Obj, str], None]

# Who must know how an invoice ends (paid, failed, action_required, voided, uncollectible): modules register it here.
FOLLOWERS: list[Follower] = []


def follows(follower: Follower) -> Follower:
    """Register what follows when an invoice is paid, fails, needs the buyer, or is given up."""
    FOLLOWERS.append(follower)
    return follower


def draft(store: Store, customer_id: str, **given: Any) -> Obj:
    """Make a draft of the fields that differ from an empty invoice, with its described `lines`."""
    lines = given.pop("lines", [])
    invoice = store.put(blank(store, customer_id, **given))
    for described in lines:
        invoice_lines.put(store, invoice["id"], described)
    invoice = recount(store, invoice)
    events.emit(store, "invoice.created", invoice)
    return invoice


def blank(store: Store, customer_id: str, **given: Any) -> Obj:
    """Give an invoice without lines; nothing is written."""
    customer = store.get("customer", customer_id, param="customer")
    now = store.now(customer_id)
    zero = dict.fromkeys(ZERO_AT_FIRST, 0)
    of_customer = {f"customer_{key}": customer[key] for key in ("address", "email", "name", "phone", "shipping")}
    invoice: Obj = dict.fromkeys(NULL_AT_FIRST) | zero | of_customer
    invoice |= {
        "id": store.new_id("in"),
        "object": KIND,
        "account_country": account.COUNTRY,
        "account_name": account.NAME,
        "attempted": False,
        "auto_advance": True,
        "automatic_tax": dict.fromkeys(("disabled_reason", "liability", "provider", "status")) | {"enabled": False},
        "collection_method": "charge_automatically",
        "created": now,
        "currency": customer["currency"] or account.CURRENCY,
        "customer": customer_id,
        "customer_tax_exempt": customer["tax_exempt"],
        "customer_tax_ids": [],
        "default_tax_rates": [],
        "discounts": [],
        "issuer": {"type": "self"},
        "livemode": False,
        "metadata": {},
        "payment_settings": dict.fromkeys(("default_mandate", "payment_method_options", "payment_method_types")),
        "period_end": now,
        "period_start": now,
        "starting_balance": customer["balance"],
        "status": "draft",
        "status_transitions": dict.fromkeys(TRANSITIONS),
        "test_clock": customer["test_clock"],
        "total_discount_amounts": [],
        "total_pretax_credit_amounts": [],
        "total_taxes": [],
        "webhooks_delivered_at": now,
    }
    return invoice | given


def recount(store: Store, invoice: Obj) -> Obj:
    """Sum the lines of a draft again."""
    return store.put(invoice | sums([line["amount"] for line in invoice_lines.of(store, invoice["id"])], invoice))


def sums(amounts: list[int], invoice: Obj) -> Obj:
    """Give the totals of a draft: the customer's credit is taken off, a negative rest becomes credit."""
    total = sum(amounts)
    due, _ = _due_and_balance(total, invoice)
    totals = dict.fromkeys(("subtotal", "subtotal_excluding_tax", "total", "total_excluding_tax"), total)
    return totals | {"amount_due": due, "amount_remaining": due}


def finalize(store: Store, invoice: Obj) -> Obj:
    """Give a draft its number and its payment; one that asks no money is paid at once."""
    customer = store.get("customer", invoice["customer"])
    now = store.now(customer["id"])
    invoice = recount(store, invoice | {"starting_balance": customer["balance"]})
    due, balance = _due_and_balance(invoice["total"], invoice)
    number = int(customer["next_invoice_sequence"])
    _write_customer(store, customer, next_invoice_sequence=number + 1, balance=balance, currency=invoice["currency"])
    page = f"{store.setting('base_url', '')}/invoice/{invoice['id']}"
    invoice |= {
        "amount_due": due,
        "amount_remaining": due,
        "auto_advance": invoice["auto_advance"] and due > 0,
        "automatically_finalizes_at": None,
        "effective_at": now,
        "ending_balance": balance,
        "hosted_invoice_url": page,
        "invoice_pdf": f"{page}/pdf",
        "number": f"{customer['invoice_prefix']}-{number:04d}",
        "status": "open",
        "status_transitions": invoice["status_transitions"] | {"finalized_at": now},
    }
    events.emit(store, "invoice.finalized", store.put(invoice))
    if due == 0:
        return settle(store, invoice)
    _open_payment(store, invoice)
    return invoice


def settle(
    store: Store, invoice: Obj, *, out_of_band: bool = False, by: Obj | None = None, tries: int | None = None
) -> Obj:
    """Write that an invoice is paid: by its payment (`by`), outside Stripe, or because nothing was due."""
    before, now = invoice, store.now(invoice["customer"])
    if by is not None:
        invoice_payments.paid(store, by, invoice["amount_remaining"])
    invoice = invoice | {
        "amount_paid": invoice["amount_due"],
        "amount_paid_off_stripe": invoice["amount_due"] if out_of_band else 0,
        "amount_remaining": 0,
        "attempt_count": invoice["attempt_count"] if tries is None else tries,
        "attempted": True,
        "auto_advance": False,
        "next_payment_attempt": None,
        "status": "paid",
        "status_transitions": invoice["status_transitions"] | {"paid_at": now},
    }
    store.put(invoice)
    events.emit(store, "invoice.updated", invoice, events.changes(before, invoice))
    events.emit(store, "invoice.paid", invoice)
    events.emit(store, "invoice.payment_succeeded", invoice)
    tell(store, invoice, "paid")
    return invoice


def close(store: Store, invoice: Obj, status: str) -> Obj:
    """Give up an open invoice: `void` or `uncollectible`."""
    stamp = "voided_at" if status == "void" else "marked_uncollectible_at"
    before, waiting = invoice, invoice_payments.open_of(store, invoice)
    closed = {"status": status, "auto_advance": False, "next_payment_attempt": None}
    closed["status_transitions"] = invoice["status_transitions"] | {stamp: store.now(invoice["customer"])}
    invoice = store.put(invoice | closed)
    if status == "void" and waiting is not None:
        withdraw(store, waiting)
    events.emit(store, "invoice.updated", invoice, events.changes(before, invoice))
    outcome = "voided" if status == "void" else "marked_uncollectible"
    events.emit(store, f"invoice.{outcome}", invoice)
    tell(store, invoice, outcome)
    return invoice


def withdraw(store: Store, payment: Obj) -> None:
    """Cancel a payment that shall not come any more, and its intent."""
    invoice_payments.canceled(store, payment)
    intent = store.get("payment_intent", payment["_intent"])
    if intent["status"] in payment_intents.OPEN:
        payment_intents.cancel_intent(store, intent, "void_invoice")


def tell(store: Store, invoice: Obj, outcome: str) -> None:
    """Tell everybody who follows invoices."""
    for follower in FOLLOWERS:
        follower(store, invoice, outcome)


def of_subscription(invoice: Obj) -> str | None:
    """Give the subscription that an invoice bills."""
    details = (invoice["parent"] or {}).get("subscription_details") or {}
    return details.get("subscription")


def check_status(invoice: Obj, verb: str, *allowed: str) -> None:
    """Raise Stripe's 400 for a call that the invoice's status does not allow."""
    if invoice["status"] in allowed:
        return
    if verb == "pay" and invoice["status"] == "paid":
        raise errors.invalid("Invoice is already paid", code="invoice_already_paid")
    message = f"You can't {verb} this invoice because it is {invoice['status']}; it must be {' or '.join(allowed)}."
    raise errors.invalid(message, code="invoice_not_editable" if verb in ("update", "delete") else None)


@rendering.renders(KIND)
def with_lines(store: Store, invoice: Obj) -> Obj:
    return invoice if "lines" in invoice else invoice | {"lines": invoice_lines.shown(store, invoice)}


@rendering.includes(KIND, "confirmation_secret")
def confirmation_secret_of(store: Store, invoice: Obj) -> Obj | None:
    waiting = invoice_payments.open_of(store, invoice)
    if waiting is None:
        return None
    return {"client_secret": store.get("payment_intent", waiting["_intent"])["client_secret"], "type": "payment_intent"}


def _due_and_balance(total: int, invoice: Obj) -> tuple[int, int]:
    """Split a total and the customer's balance into what is due and the balance that remains.

    A balance below zero is credit. A sum too small for a charge stays on the balance and is asked for next time
    (docs.stripe.com/billing/customer/balance).
    """
    whole = total + int(invoice["starting_balance"])
    if whole < currencies.SMALLEST.get(invoice["currency"], 1):
        return 0, whole
    return whole, 0


def _write_customer(store: Store, customer: Obj, **changed: Any) -> None:
    new = store.put(customer | changed)
    changes = events.changes(customer, new)
    # The sequence of invoice numbers moves with every invoice and is no change that anybody is told of.
    if changes.keys() - {"next_invoice_sequence"}:
        events.emit(store, "customer.updated", new, changes)


def _open_payment(store: Store, invoice: Obj) -> None:
    reason = DESCRIPTIONS.get(invoice["billing_reason"] or "", f"Payment for Invoice {invoice['number']}")
    intent = payment_intents.create_intent(
        store,
        amount=invoice["amount_due"],
        currency=invoice["currency"],
        customer=invoice["customer"],
        description=invoice["description"] or reason,
        payment_method_types=(invoice["payment_settings"] or {}).get("payment_method_types") or ["card"],
        setup_future_usage="off_session" if of_subscription(invoice) else None,
        statement_descriptor=invoice["statement_descriptor"],
    )
    invoice_payments.open_for(store, invoice, intent)


DESCRIPTIONS = {
    "subscription_create": "Subscription creation",
    "subscription_cycle": "Subscription update",
    "subscription_update": "Subscription update",
}
TRANSITIONS = ("finalized_at", "marked_uncollectible_at", "paid_at", "voided_at")
ZERO_AT_FIRST = (
    *("amount_due", "amount_overpaid", "amount_paid", "amount_paid_off_stripe", "amount_remaining", "amount_shipping"),
    *("attempt_count", "post_payment_credit_notes_amount", "pre_payment_credit_notes_amount"),
    *("subtotal", "subtotal_excluding_tax", "total", "total_excluding_tax"),
)
NULL_AT_FIRST = (
    *("account_tax_ids", "application", "automatically_finalizes_at", "billing_reason", "custom_fields"),
    *("customer_account", "default_payment_method", "default_source", "description", "due_date", "effective_at"),
    *("ending_balance", "footer", "from_invoice", "hosted_invoice_url", "invoice_pdf", "last_finalization_error"),
    *("latest_revision", "next_payment_attempt", "number", "on_behalf_of", "parent", "receipt_number", "rendering"),
    *("shipping_cost", "shipping_details", "statement_descriptor", "threshold_reason"),
)
