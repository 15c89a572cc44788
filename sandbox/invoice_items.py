"""Invoice items: amounts that wait for a customer's next invoice."""

from decimal import Decimal
from typing import Any

from sandbox import amounts, currencies, errors, events, invoice_lines, invoices, prices, routes
from sandbox.metadata import merged
from sandbox.routes import Call
from sandbox.store import Obj, Store

KIND = "invoiceitem"
URL = "/v1/invoiceitems"


def make(store: Store, customer_id: str, **given: Any) -> Obj:
    """Write an item of the fields that differ from an empty one; it waits until an invoice takes it."""
    now = store.now(customer_id)
    item: Obj = {
        "id": store.new_id("ii"),
        "object": KIND,
        "customer": customer_id,
        "customer_account": None,
        "date": now,
        "description": None,
        "discountable": True,
        "discounts": [],
        "frozen_fields": [],
        "invoice": None,
        "livemode": False,
        "metadata": {},
        "net_amount": given["amount"],
        "parent": None,
        "period": {"start": now, "end": now},
        "pricing": None,
        "proration": False,
        "proration_details": None,
        "quantity": 1,
        "quantity_decimal": str(given.get("quantity", 1)),
        "tax_rates": [],
        "test_clock": store.get("customer", customer_id)["test_clock"],
        # Lists order by `created`, which Stripe calls `date` here.
        "_subscription": ((given.get("parent") or {}).get("subscription_details") or {}).get("subscription"),
    }
    item = store.put(item | given)
    events.emit(store, "invoiceitem.created", item)
    return item


def write(store: Store, customer: Obj, params: dict[str, Any]) -> Obj:
    """Write an item of the parameters of Stripe's create call."""
    return make(store, customer["id"], **(_amount(store, params, customer) | _described(store, params)))


def waiting(store: Store, customer_id: str, subscription_id: str | None, currency: str) -> list[Obj]:
    """Give what the next invoice of a subscription takes: its own items and those of the customer alone."""
    found = store.find(KIND, customer=customer_id, invoice=None, currency=currency)
    return [item for item in reversed(found) if item["_subscription"] in (None, subscription_id)]


def take(store: Store, invoice: Obj, items: list[Obj]) -> Obj:
    """Move waiting items onto a draft."""
    for item in items:
        store.put(item | {"invoice": invoice["id"]})
        invoice_lines.put(store, invoice["id"], invoice_lines.for_invoice_item(item))
    return invoices.recount(store, invoice)


def release(store: Store, invoice: Obj) -> None:
    """Let the items of a deleted draft wait again."""
    for item in store.find(KIND, invoice=invoice["id"]):
        store.put(item | {"invoice": None})


def once(store: Store, subscription: Obj, given: dict[str, Any]) -> Obj:
    """Write an item of `add_invoice_items`: a price that a subscription's next invoice takes once."""
    asked = {"pricing": {"price": given.get("price")}, "currency": subscription["currency"]} | given
    customer = store.get("customer", subscription["customer"])
    described = _described(store, {"subscription": subscription["id"], "metadata": given.get("metadata")})
    return make(store, customer["id"], **(_amount(store, asked, customer) | described))


@routes.route("POST", URL, params="InvoiceItemCreateParams")
def create(call: Call) -> Obj:
    params = call.params
    if not params.get("customer"):
        raise errors.invalid("Missing required param: customer.", param="customer", code="parameter_missing")
    item = write(call.store, call.store.get("customer", params["customer"], param="customer"), params)
    if params.get("invoice"):
        invoice = call.store.get("invoice", params["invoice"], param="invoice")
        invoices.check_status(invoice, "update", "draft")
        take(call.store, invoice, [item])
    return call.store.get(KIND, item["id"])


@routes.route("GET", URL, params="InvoiceItemListParams")
def list_all(call: Call) -> Obj:
    equal = {key: call.params[key] for key in ("customer", "invoice") if key in call.params}
    pending = call.params.get("pending")
    found = call.store.find(KIND, lambda each: pending is None or pending == (each["invoice"] is None), **equal)
    return routes.listing(call, found, URL)


@routes.route("GET", URL + "/<id>", params="InvoiceItemRetrieveParams")
def retrieve(call: Call) -> Obj:
    return call.store.get(KIND, call.path["id"])


@routes.route("POST", URL + "/<id>", params="InvoiceItemModifyParams")
def update(call: Call) -> Obj:
    item = _editable(call)
    changes: dict[str, Any] = {
        key: call.params[key] for key in ("description", "discountable", "period") if key in call.params
    }
    customer = call.store.get("customer", item["customer"])
    if call.params.keys() & {"amount", "quantity", "unit_amount_decimal", "price_data", "pricing"}:
        known = {"currency": item["currency"], "quantity": item["quantity"]}
        if item["pricing"]["price_details"]:
            known["pricing"] = {"price": item["pricing"]["price_details"]["price"]}
        elif "amount" not in call.params:
            known["unit_amount_decimal"] = item["pricing"]["unit_amount_decimal"]
        changes |= _amount(call.store, known | call.params, customer)
    return call.store.put(item | changes | {"metadata": merged(item["metadata"], call.params.get("metadata"))})


@routes.route("DELETE", URL + "/<id>", params="InvoiceItemDeleteParams")
def delete(call: Call) -> Obj:
    item = _editable(call)
    call.store.drop(KIND, item["id"])
    events.emit(call.store, "invoiceitem.deleted", item)
    return {"id": item["id"], "object": KIND, "deleted": True}


def _editable(call: Call) -> Obj:
    item = call.store.get(KIND, call.path["id"])
    if item["invoice"]:
        message = "This invoice item can no longer be changed: it is on an invoice."
        raise errors.invalid(message, code="invoice_not_editable")
    return item


def _amount(store: Store, params: dict[str, Any], customer: Obj) -> dict[str, Any]:
    """Work out the amount: given, a price's, or a unit amount's."""
    quantity = int(params.get("quantity", 1))
    price = _price(store, params)
    if price is not None:
        amount = amounts.amount_of(price, quantity, params.get("currency"))
        currency = params.get("currency") or price["currency"]
        return {"amount": amount, "currency": currency, "quantity": quantity, "pricing": invoice_lines.pricing(price)}
    currency = currencies.checked(params.get("currency") or customer["currency"] or "usd")
    unit = params.get("unit_amount_decimal") or params.get("unit_amount")
    if unit is None and params.get("amount") is None:
        message = "You must specify either `amount`, `pricing`, `price_data` or `unit_amount_decimal`."
        raise errors.invalid(message, param="amount", code="parameter_missing")
    amount = params["amount"] if unit is None else amounts.whole(Decimal(unit) * quantity)
    per_unit = _decimal(Decimal(amount) / (quantity or 1)) if unit is None else str(unit)
    pricing = {"price_details": None, "type": "price_details", "unit_amount_decimal": per_unit}
    return {"amount": int(amount), "currency": currency, "quantity": quantity, "pricing": pricing}


def _decimal(amount: Decimal) -> str:
    # Stripe writes at most twelve places.
    return format(round(amount, 12).normalize(), "f")


def _price(store: Store, params: dict[str, Any]) -> Obj | None:
    if params.get("price_data"):
        return store.put(prices.make(store, **params["price_data"]) | {"active": False})
    # Previews name the price by its older place.
    id = (params.get("pricing") or {}).get("price") or params.get("price")
    if not id:
        return None
    price = store.get("price", id, param="pricing[price]")
    if price["recurring"]:
        message = (
            "The price specified is set to `type=recurring` but this field only accepts prices with `type=one_time`."
        )
        raise errors.invalid(message, param="pricing[price]")
    return price


def _described(store: Store, params: dict[str, Any]) -> dict[str, Any]:
    known: dict[str, Any] = {key: params[key] for key in ("description", "discountable", "period") if key in params}
    known["metadata"] = merged({}, params.get("metadata"))
    if params.get("subscription"):
        subscription = store.get("subscription", params["subscription"], param="subscription")
        details = {"subscription": subscription["id"], "subscription_item": None}
        known["parent"] = {"subscription_details": details, "type": "subscription_details"}
    return known
