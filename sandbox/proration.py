"""What a change in the middle of a period costs, to the second."""

from datetime import UTC, datetime
from typing import Any

from sandbox import amounts, invoice_items, invoice_lines, periods, subscription_items
from sandbox.store import Obj, Store


def credit(store: Store, subscription: Obj, item: Obj, at: int) -> None:
    """Write the credit for the rest of an item's period, as a waiting invoice item."""
    _write(store, subscription, item, at, sign=-1)


def charge(store: Store, subscription: Obj, item: Obj, at: int) -> None:
    """Write what an item costs for the rest of its period, as a waiting invoice item."""
    _write(store, subscription, item, at, sign=1)


def rest_of(store: Store, subscription: Obj, item: Obj, at: int) -> int:
    """Give the part of an item's price that belongs to the seconds from a moment to the end of its period.

    The measure is a whole billing period, also where the first one was shorter
    (docs.stripe.com/billing/subscriptions/prorations).
    """
    price = subscription_items.price_of(store, item)
    end = item["current_period_end"]
    cycle = periods.containing(subscription["billing_cycle_anchor"], price["recurring"], end - 1)
    whole = amounts.amount_of(price, item["quantity"], subscription["currency"])
    return amounts.part(whole, max(end - at, 0), cycle[1] - cycle[0])


def _write(store: Store, subscription: Obj, item: Obj, at: int, *, sign: int) -> None:
    amount = sign * rest_of(store, subscription, item, at)
    if not amount:
        return
    price = subscription_items.price_of(store, item)
    details = {"subscription": subscription["id"], "subscription_item": item["id"]}
    described: dict[str, Any] = {
        "amount": amount,
        "currency": subscription["currency"],
        "description": _described(store, price, item["quantity"], at, unused=sign < 0),
        "discountable": False,
        "parent": {"subscription_details": details, "type": "subscription_details"},
        "period": {"start": at, "end": item["current_period_end"]},
        "pricing": invoice_lines.pricing(price),
        "proration": True,
        "proration_details": {"credited_items": None, "discount_amounts": []},
        "quantity": item["quantity"],
    }
    invoice_items.make(store, subscription["customer"], **described)


def _described(store: Store, price: Obj, quantity: int, at: int, *, unused: bool) -> str:
    product = store.get("product", price["product"])["name"]
    day = datetime.fromtimestamp(at, UTC).strftime("%d %b %Y")
    times = f"{quantity} × " if quantity != 1 else ""
    return f"{'Unused' if unused else 'Remaining'} time on {times}{product} after {day}"
