"""The lines of an invoice: what each amount is for."""

from typing import Any

from sandbox import amounts, currencies, rendering
from sandbox.store import Obj, Store

KIND = "line_item"


def of(store: Store, invoice_id: str) -> list[Obj]:
    """Give the lines of an invoice in their order."""
    return list(reversed(store.find(KIND, invoice=invoice_id)))


def shown(store: Store, invoice: Obj) -> Obj:
    """Give the lines as an invoice shows them: the first ten."""
    found = [rendering.rendered(store, line) for line in of(store, invoice["id"])]
    return rendering.short_list(found, f"/v1/invoices/{invoice['id']}/lines")


def for_item(store: Store, subscription: Obj, item: Obj, period: tuple[int, int], **changed: Any) -> Obj:
    """Describe a line for one period of a subscription's item; `changed` overrides, such as `amount` of a trial."""
    price = store.get("price", item["price"])
    amount = changed.pop("amount", None)
    if amount is None:
        amount = amounts.amount_of(price, item["quantity"], subscription["currency"])
    parent = {
        "invoice_item_details": None,
        "subscription_item_details": {
            "invoice_item": None,
            "proration": False,
            "proration_details": {"credited_items": None},
            "subscription": subscription["id"],
            "subscription_item": item["id"],
        },
        "type": "subscription_item_details",
    }
    described = {
        "amount": amount,
        "currency": subscription["currency"],
        "description": described_item(store, price, item["quantity"]),
        "metadata": subscription["metadata"],
        "parent": parent,
        "period": {"start": period[0], "end": period[1]},
        "pricing": pricing(price),
        "quantity": item["quantity"],
        "subscription": subscription["id"],
    }
    return described | changed


def for_invoice_item(item: Obj) -> Obj:
    """Describe the line of an invoice item; one that prorates a subscription names the subscription's item."""
    about = (item["parent"] or {}).get("subscription_details") or {}
    details: Obj = {"proration": item["proration"], "subscription": about.get("subscription")}
    details["proration_details"] = {"credited_items": None}
    if about.get("subscription_item"):
        kind = "subscription_item_details"
        details |= {"invoice_item": item["id"], "subscription_item": about["subscription_item"]}
    else:
        kind = "invoice_item_details"
        details["invoice_item"] = item["id"]
    parent = {"invoice_item_details": None, "subscription_item_details": None} | {kind: details, "type": kind}
    taken = ("amount", "currency", "description", "metadata", "period", "pricing", "quantity", "discountable")
    return {key: item[key] for key in taken} | {"parent": parent, "subscription": about.get("subscription")}


def put(store: Store, invoice_id: str, described: Obj) -> Obj:
    """Write a described line into an invoice."""
    return store.put(made(store, invoice_id, described))


def made(store: Store, invoice_id: str, described: Obj) -> Obj:
    """Make the line item of a description without writing it, as a preview needs it."""
    quantity = described.get("quantity")
    line: Obj = {
        "id": store.new_id("il"),
        "object": KIND,
        "discount_amounts": [],
        "discountable": True,
        "discounts": [],
        "invoice": invoice_id,
        "livemode": False,
        "pretax_credit_amounts": [],
        "quantity_decimal": None if quantity is None else str(quantity),
        "subtotal": described["amount"],
        "taxes": [],
    }
    return line | described


def pricing(price: Obj) -> Obj:
    """Give what a line says about its price."""
    details = {"price": price["id"], "product": price["product"]}
    return {"price_details": details, "type": "price_details", "unit_amount_decimal": price["unit_amount_decimal"]}


def described_item(store: Store, price: Obj, quantity: int) -> str:
    """Describe a recurring price in words, such as "1 × Gold (at $10.00 / month)"."""
    product = store.get("product", price["product"])
    every = price["recurring"]["interval"]
    if price["recurring"]["interval_count"] != 1:
        every = f"every {price['recurring']['interval_count']} {every}s"
    if price["unit_amount"] is None:
        return f"{quantity} × {product['name']} (per {every})"
    return f"{quantity} × {product['name']} (at {currencies.shown(price['unit_amount'], price['currency'])} / {every})"
