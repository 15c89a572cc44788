"""The addresses of invoices."""

from typing import Any

from sandbox import (
    collection,
    errors,
    events,
    fields,
    intents,
    invoice_items,
    invoice_lines,
    invoice_payments,
    invoices,
    routes,
    served,
    subscription_terms,
    subscriptions,
)
from sandbox.metadata import merged
from sandbox.routes import Call
from sandbox.store import Obj, Store

URL = "/v1/invoices"
EDITED = (
    *("auto_advance", "collection_method", "custom_fields", "default_payment_method", "description", "due_date"),
    *("footer", "statement_descriptor"),
)
# What may still change on an invoice that has its number.
EDITED_LATE = {"auto_advance", "default_payment_method", "metadata"}
NO_METHOD = (
    "There is no `default_payment_method` set on this Customer or Invoice. "
    "Please set a `default_payment_method` prior to calling `pay`."
)


@routes.route("POST", URL, params="InvoiceCreateParams")
def create(call: Call) -> Obj:
    own = ("currency", "customer", "days_until_due", "metadata", "payment_settings", "pending_invoice_items_behavior")
    served.only(call.params, *EDITED, *own, "subscription")
    store, params = call.store, call.params
    if not params.get("customer"):
        raise errors.invalid("Missing required param: customer.", param="customer", code="parameter_missing")
    customer = store.get("customer", params["customer"], param="customer")
    given = _given(store, params, customer)
    invoice = invoices.draft(store, customer["id"], billing_reason="manual", **given)
    if params.get("subscription") or params.get("pending_invoice_items_behavior") == "include":
        waiting = invoice_items.waiting(store, customer["id"], params.get("subscription"), invoice["currency"])
        invoice = invoice_items.take(store, invoice, waiting)
    return invoice


@routes.route("GET", URL, params="InvoiceListParams")
def list_all(call: Call) -> Obj:
    equal: dict[str, Any] = {
        key: call.params[key] for key in ("customer", "status", "collection_method") if key in call.params
    }
    if call.params.get("subscription"):
        equal["_subscription"] = call.params["subscription"]
    if not equal.keys() & {"customer", "_subscription"}:
        # Invoices of a test clock show only where their customer or subscription is asked for.
        equal["test_clock"] = None
    return routes.listing(call, call.store.find("invoice", **equal), URL)


@routes.route("GET", URL + "/<id>", params="InvoiceRetrieveParams")
def retrieve(call: Call) -> Obj:
    return call.store.get("invoice", call.path["id"])


@routes.route("POST", URL + "/<id>", params="InvoiceModifyParams")
def update(call: Call) -> Obj:
    invoice = call.store.get("invoice", call.path["id"])
    served.only(call.params, *EDITED, "metadata")
    if call.params.keys() - EDITED_LATE:
        invoices.check_status(invoice, "update", "draft")
    new = fields.changed(invoice, call.params, *EDITED)
    new["metadata"] = merged(invoice["metadata"] or {}, call.params.get("metadata"))
    if invoice["status"] == "draft" and new["auto_advance"] != invoice["auto_advance"]:
        new["automatically_finalizes_at"] = _finalizes_at(call.store, new)
    changes = events.changes(invoice, new)
    if changes:
        events.emit(call.store, "invoice.updated", call.store.put(new), changes)
    return new


@routes.route("DELETE", URL + "/<id>", params="InvoiceDeleteParams")
def delete(call: Call) -> Obj:
    invoice = call.store.get("invoice", call.path["id"])
    invoices.check_status(invoice, "delete", "draft")
    if invoices.of_subscription(invoice) and invoice["billing_reason"] != "manual":
        raise errors.invalid("You can't delete invoices created by subscriptions.", code="invoice_not_editable")
    invoice_items.release(call.store, invoice)
    for line in invoice_lines.of(call.store, invoice["id"]):
        call.store.drop("line_item", line["id"])
    call.store.drop("invoice", invoice["id"])
    events.emit(call.store, "invoice.deleted", invoice)
    return {"id": invoice["id"], "object": "invoice", "deleted": True}


@routes.route("POST", URL + "/<id>/finalize", params="InvoiceFinalizeInvoiceParams")
def finalize(call: Call) -> Obj:
    invoice = call.store.get("invoice", call.path["id"])
    if invoice["status"] != "draft":
        message = "This invoice is already finalized, you can't re-finalize a non-draft invoice."
        raise errors.invalid(message, code="invoice_not_editable")
    invoice = _finalized(call.store, invoice | fields.changed(invoice, call.params, "auto_advance"))
    if invoice["auto_advance"] and invoice["collection_method"] == "charge_automatically":
        first = call.store.now(invoice["customer"]) + invoices.DRAFT_SECONDS
        invoice = call.store.put(invoice | {"next_payment_attempt": first})
    return invoice


@routes.route("POST", URL + "/<id>/add_lines", params="InvoiceAddLinesParams")
def add_lines(call: Call) -> Obj:
    invoice = call.store.get("invoice", call.path["id"])
    served.only(call.params, "lines")
    invoices.check_status(invoice, "update", "draft")
    return invoice_items.take(
        call.store, invoice, [_assignable(call.store, invoice, row) for row in call.params["lines"]]
    )


@routes.route("POST", URL + "/<id>/pay", params="InvoicePayParams")
def pay(call: Call) -> Obj:
    served.only(call.params, "off_session", "paid_out_of_band", "payment_method")
    invoice = call.store.get("invoice", call.path["id"])
    invoices.check_status(invoice, "pay", "draft", "open", "uncollectible")
    if invoice["status"] == "draft":
        invoice = _finalized(call.store, invoice)
    if invoice["status"] == "paid":
        return invoice
    if call.params.get("paid_out_of_band"):
        return _paid_elsewhere(call.store, invoice)
    method = call.params.get("payment_method") or collection.method_of(call.store, invoice)
    if method is None:
        raise errors.invalid(NO_METHOD, code="resource_missing")
    off_session = call.params.get("off_session", True)
    invoice = collection.attempt(call.store, invoice, method, off_session=off_session, automatic=False)
    if invoice["status"] != "paid":
        _raise_unpaid(call.store, invoice)
    return invoice


@routes.route("POST", URL + "/<id>/void", params="InvoiceVoidInvoiceParams")
def void(call: Call) -> Obj:
    invoice = call.store.get("invoice", call.path["id"])
    invoices.check_status(invoice, "void", "open", "uncollectible")
    return invoices.close(call.store, invoice, "void")


@routes.route("POST", URL + "/<id>/mark_uncollectible", params="InvoiceMarkUncollectibleParams")
def mark_uncollectible(call: Call) -> Obj:
    invoice = call.store.get("invoice", call.path["id"])
    invoices.check_status(invoice, "mark as uncollectible", "open")
    return invoices.close(call.store, invoice, "uncollectible")


@routes.route("POST", URL + "/<id>/send", params="InvoiceSendInvoiceParams")
def send(call: Call) -> Obj:
    invoice = call.store.get("invoice", call.path["id"])
    invoices.check_status(invoice, "send", "draft", "open")
    if invoice["status"] == "draft":
        invoice = _finalized(call.store, invoice)
    events.emit(call.store, "invoice.sent", invoice)
    return invoice


@routes.route("GET", URL + "/<id>/lines", params="InvoiceListLinesParams")
def list_lines(call: Call) -> Obj:
    invoice = call.store.get("invoice", call.path["id"])
    return routes.listing(call, invoice_lines.of(call.store, invoice["id"]), f"{URL}/{invoice['id']}/lines")


def _assignable(store: Store, invoice: Obj, row: dict[str, Any]) -> Obj:
    served.only(row, "invoice_item")
    item = store.get("invoiceitem", row.get("invoice_item", ""), param="lines[invoice_item]")
    if item["invoice"]:
        message = f"The invoice item {item['id']} is already attached to an invoice."
        raise errors.invalid(message, param="lines[invoice_item]")
    if (item["customer"], item["currency"]) != (invoice["customer"], invoice["currency"]):
        message = "An invoice item can only be added to an invoice of its own customer and currency."
        raise errors.invalid(message, param="lines[invoice_item]")
    return item


def _given(store: Store, params: dict[str, Any], customer: Obj) -> dict[str, Any]:
    given: dict[str, Any] = {"auto_advance": False} | {key: params[key] for key in EDITED if key in params}
    if params.get("subscription"):
        subscription = store.get("subscription", params["subscription"], param="subscription")
        given = subscriptions.invoice_settings(store, subscription) | given
    if params.get("currency"):
        given["currency"] = params["currency"]
    if params.get("days_until_due") is not None:
        given["due_date"] = store.now(customer["id"]) + params["days_until_due"] * subscriptions.DAY
    if given.get("collection_method") == "send_invoice" and not given.get("due_date"):
        message = "If invoice collection method is `send_invoice` then you must specify `due_date` or `days_until_due`."
        raise errors.invalid(message, param="due_date", code="parameter_missing")
    if given.get("default_payment_method"):
        subscription_terms.check_method(store, customer["id"], given["default_payment_method"])
    given["metadata"] = merged({}, params.get("metadata"))
    given["automatically_finalizes_at"] = _finalizes_at(store, {"customer": customer["id"]} | given)
    return given


def _finalizes_at(store: Store, invoice: Obj) -> int | None:
    return store.now(invoice["customer"]) + invoices.DRAFT_SECONDS if invoice["auto_advance"] else None


def _finalized(store: Store, invoice: Obj) -> Obj:
    if not invoice_lines.of(store, invoice["id"]):
        message = "Nothing to invoice for customer"
        raise errors.invalid(message, code="invoice_no_customer_line_items")
    return invoices.finalize(store, invoice)


def _paid_elsewhere(store: Store, invoice: Obj) -> Obj:
    """Write that the money came outside Stripe; the payment that waited here is not wanted any more."""
    waiting = invoice_payments.open_of(store, invoice)
    paid = invoices.settle(store, invoice, out_of_band=True)
    if waiting is not None:
        invoices.withdraw(store, waiting)
    return paid


def _raise_unpaid(store: Store, invoice: Obj) -> None:
    waiting = invoice_payments.open_of(store, invoice)
    intent = store.get("payment_intent", waiting["_intent"]) if waiting else None
    if intent and intent["last_payment_error"]:
        intents.raise_failure(store, intent, intent["last_payment_error"])
    message = "This payment requires additional user action before it can be completed successfully."
    raise errors.StripeError(
        message, status=402, type="card_error", code="invoice_payment_intent_requires_action", keeps=True
    )
