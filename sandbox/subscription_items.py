"""The items of a subscription: which price, how often, and which period is paid."""

from typing import Any

from sandbox import amounts, errors, periods, prices, rendering
from sandbox.metadata import merged
from sandbox.store import Obj, Store

KIND = "subscription_item"
URL = "/v1/subscription_items"
PLAN_KEYS = (
    "active",
    "billing_scheme",
    "created",
    "currency",
    "id",
    "livemode",
    "metadata",
    "nickname",
    "product",
    "tiers_mode",
)


def of(store: Store, subscription: Obj) -> list[Obj]:
    """Give the items of a subscription, oldest first."""
    return list(reversed(store.find(KIND, subscription=subscription["id"])))


def price_of(store: Store, item: Obj) -> Obj:
    """Give the price of an item."""
    return store.get("price", item["price"])


def chosen_price(store: Store, given: dict[str, Any], *, at: str) -> Obj:
    """Give the recurring price that an item's parameters name, or make the one that `price_data` describes."""
    if given.get("sold"):
        # A checkout session sold it while it was active, or made it for itself alone.
        return store.get("price", given["price"])
    if given.get("price_data"):
        price = prices.make(store, **given["price_data"])
        return store.put(price | {"active": False})
    id = given.get("price") or given.get("plan")
    if not id:
        raise errors.invalid(f"Missing required param: {at}[price].", param=f"{at}[price]", code="parameter_missing")
    price = store.get("price", id, param=f"{at}[price]")
    if not price["recurring"]:
        message = (
            "The price specified is set to `type=one_time` but this field only accepts prices with `type=recurring`."
        )
        raise errors.invalid(message, param=f"{at}[price]")
    if not price["active"]:
        message = f"The price specified is inactive. This field only accepts active prices. (Price: `{id}`)"
        raise errors.invalid(message, param=f"{at}[price]")
    if price["recurring"]["usage_type"] == "metered":
        raise errors.invalid("This sandbox bills licensed prices alone.", param=f"{at}[price]")
    return price


def add(store: Store, subscription: Obj, given: dict[str, Any], price: Obj, period: tuple[int, int], *, at: str) -> Obj:
    """Make an item of a subscription; a price may stand on a subscription once."""
    _check_single(store, subscription, price, None)
    _check_currency(subscription, price, at)
    item: Obj = {
        "id": store.new_id("si"),
        "object": KIND,
        "billed_until": period[1],
        "billing_thresholds": None,
        "created": store.now(subscription["customer"]),
        "current_period_end": period[1],
        "current_period_start": period[0],
        "discounts": [],
        "metadata": merged({}, given.get("metadata")),
        "price": price["id"],
        "quantity": given.get("quantity", 1),
        "subscription": subscription["id"],
        "tax_rates": [],
    }
    return store.put(item)


def change(store: Store, subscription: Obj, item: Obj, given: dict[str, Any], *, at: str) -> Obj:
    """Lay new parameters over an item; periods stay."""
    new = dict(item)
    if any(given.get(key) for key in ("price", "plan", "price_data")):
        price = chosen_price(store, given, at=at)
        _check_single(store, subscription, price, item["id"])
        _check_currency(subscription, price, at)
        new["price"] = price["id"]
    if "quantity" in given:
        new["quantity"] = given["quantity"]
    new["metadata"] = merged(item["metadata"], given.get("metadata"))
    return store.put(new)


def move(store: Store, item: Obj, period: tuple[int, int]) -> Obj:
    """Set the period that an item is in."""
    bounds = {"current_period_start": period[0], "current_period_end": period[1], "billed_until": period[1]}
    return store.put(item | bounds)


def period_of(store: Store, subscription: Obj, item: Obj, moment: int) -> tuple[int, int]:
    """Give the billing period that a moment lies in, counted from the subscription's anchor."""
    recurring = price_of(store, item)["recurring"]
    return periods.containing(subscription["billing_cycle_anchor"], recurring, moment)


def shown(store: Store, subscription: Obj) -> Obj:
    """Give the items as a subscription shows them."""
    found = [rendering.rendered(store, item) for item in of(store, subscription)]
    # Stripe's own sub-lists hold ten; a subscription holds at most twenty items, which it shows all.
    url = f"{URL}?subscription={subscription['id']}"
    return {"object": "list", "data": found, "has_more": False, "url": url}


@rendering.renders(KIND)
def with_price(store: Store, item: Obj) -> Obj:
    price = rendering.rendered(store, price_of(store, item))
    return item | {"price": price, "plan": _plan(price)}


def _plan(price: Obj) -> Obj:
    """Give the old form of a price, which Stripe still shows beside it."""
    recurring = price["recurring"]
    return {key: price[key] for key in PLAN_KEYS} | {
        "object": "plan",
        "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"],
        "interval": recurring["interval"],
        "interval_count": recurring["interval_count"],
        "meter": recurring["meter"],
        "transform_usage": price["transform_quantity"],
        "trial_period_days": recurring["trial_period_days"],
        "usage_type": recurring["usage_type"],
    }


def _check_single(store: Store, subscription: Obj, price: Obj, own: str | None) -> None:
    for item in of(store, subscription):
        if item["price"] == price["id"] and item["id"] != own:
            message = (
                "Cannot add multiple subscription items with the same plan: "
                "please use the `quantity` parameter instead."
            )
            raise errors.invalid(message, param="items")


def _check_currency(subscription: Obj, price: Obj, at: str) -> None:
    currency = subscription["currency"]
    if currency in (price["currency"], *price.get("_currency_options", {})):
        return
    raise amounts.other_currency(price, currency, f"{at}[price]")
