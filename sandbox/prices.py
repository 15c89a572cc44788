"""Prices: how much, in which currency, once or every so often."""

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from sandbox import currencies, errors, events, fields, products, rendering, routes
from sandbox.metadata import merged
from sandbox.routes import Call
from sandbox.store import Obj, Store

URL = "/v1/prices"
RECURRING = {"interval": None, "interval_count": 1, "meter": None, "trial_period_days": None, "usage_type": "licensed"}
# Stripe takes no interval beyond three years.
LONGEST = {"day": 1095, "week": 156, "month": 36, "year": 3}


def make(store: Store, **params: Any) -> Obj:
    """Make a price from the parameters of Stripe's create call, or of any `price_data`."""
    currency = currencies.checked(params["currency"])
    scheme = params.get("billing_scheme") or "per_unit"
    amount, decimal = (None, None) if scheme == "tiered" else _amount(params, currency)
    recurring = _recurring(params.get("recurring"))
    price: Obj = {
        "id": store.new_id("price"),
        "object": "price",
        "active": params.get("active", True),
        "billing_scheme": scheme,
        "created": store.now(),
        "currency": currency,
        "custom_unit_amount": None,
        "livemode": False,
        "lookup_key": None,
        "metadata": merged({}, params.get("metadata")),
        "nickname": params.get("nickname"),
        "product": _product(store, params),
        "recurring": recurring,
        "tax_behavior": params.get("tax_behavior") or "unspecified",
        "tiers_mode": params.get("tiers_mode"),
        "transform_quantity": params.get("transform_quantity"),
        "type": "recurring" if recurring else "one_time",
        "unit_amount": amount,
        "unit_amount_decimal": decimal,
        "_tiers": params.get("tiers"),
        "_currency_options": params.get("currency_options") or {},
    }
    if params.get("lookup_key"):
        price["lookup_key"] = _free_key(store, params["lookup_key"], transfer=params.get("transfer_lookup_key", False))
    events.emit(store, "price.created", store.put(price))
    return price


@routes.route("POST", URL, params="PriceCreateParams")
def create(call: Call) -> Obj:
    fields.refuse(call.params, "custom_unit_amount")
    return make(call.store, **call.params)


@routes.route("GET", URL, params="PriceListParams")
def list_all(call: Call) -> Obj:
    equal = {key: call.params[key] for key in ("active", "currency", "product", "type") if key in call.params}
    keys, recurring = call.params.get("lookup_keys"), call.params.get("recurring") or {}

    def fits(price: Obj) -> bool:
        return (not keys or price["lookup_key"] in keys) and all(
            (price["recurring"] or {}).get(key) == value for key, value in recurring.items()
        )

    return routes.listing(call, call.store.find("price", fits, **equal), URL)


@routes.route("GET", URL + "/<id>", params="PriceRetrieveParams")
def retrieve(call: Call) -> Obj:
    return call.store.get("price", call.path["id"])


@routes.route("POST", URL + "/<id>", params="PriceUpdateParams")
def update(call: Call) -> Obj:
    price = call.store.get("price", call.path["id"])
    new = fields.changed(price, call.params, "active", "nickname", "tax_behavior")
    if "lookup_key" in call.params:
        key, transfer = call.params["lookup_key"] or None, call.params.get("transfer_lookup_key", False)
        new["lookup_key"] = _free_key(call.store, key, transfer=transfer, own=price["id"]) if key else None
    if call.params.get("currency_options"):
        new["_currency_options"] = price["_currency_options"] | call.params["currency_options"]
    new["metadata"] = merged(price["metadata"], call.params.get("metadata"))
    changes = events.changes(price, new)
    if changes:
        events.emit(call.store, "price.updated", call.store.put(new), changes)
    return new


@rendering.includes("price", "tiers")
def tiers_of(store: Store, price: Obj) -> list[Obj]:
    stored = store.get("price", price["id"])
    return [_tier(each) for each in stored["_tiers"] or []]


@rendering.includes("price", "currency_options")
def currency_options_of(store: Store, price: Obj) -> Obj:
    stored = store.get("price", price["id"])
    own = {stored["currency"]: {"unit_amount": stored["unit_amount"]}}
    return {
        currency: {
            "custom_unit_amount": None,
            "tax_behavior": option.get("tax_behavior") or stored["tax_behavior"],
            "unit_amount": option.get("unit_amount"),
            "unit_amount_decimal": str(option.get("unit_amount_decimal") or option.get("unit_amount")),
        }
        for currency, option in (own | stored["_currency_options"]).items()
    }


def _product(store: Store, params: dict[str, Any]) -> str:
    if params.get("product") and params.get("product_data"):
        raise errors.invalid("You may only specify one of these parameters: product, product_data.", param="product")
    if params.get("product_data"):
        return str(products.make(store, **params["product_data"])["id"])
    if not params.get("product"):
        message = "You must specify either `product` or `product_data` when creating a price."
        raise errors.invalid(message, param="product", code="parameter_missing")
    return str(store.get("product", params["product"], param="product")["id"])


def _amount(params: dict[str, Any], currency: str) -> tuple[int | None, str]:
    """Give the whole amount, where it is whole, and the decimal one."""
    if params.get("unit_amount") is not None:
        amount = int(params["unit_amount"])
        if amount < 0:
            message = "This value must be greater than or equal to 0."
            raise errors.invalid(message, param="unit_amount", code="parameter_invalid_integer")
        currencies.check_step(amount, currency, "unit_amount")
        return amount, str(amount)
    if params.get("unit_amount_decimal") is None:
        message = "Prices require an `unit_amount` or `unit_amount_decimal` parameter to be set."
        raise errors.invalid(message, param="unit_amount", code="parameter_missing")
    decimal = Decimal(str(params["unit_amount_decimal"])).normalize()
    whole = decimal == decimal.to_integral_value(ROUND_HALF_UP)
    return int(decimal) if whole else None, format(decimal, "f")


def _recurring(given: Any) -> Obj | None:
    if not given:
        return None
    recurring = fields.chosen(given, **RECURRING)
    longest = LONGEST[recurring["interval"]]
    if not 1 <= recurring["interval_count"] <= longest:
        message = f"Invalid interval_count: must be between 1 and {longest} for an interval of {recurring['interval']}."
        raise errors.invalid(message, param="recurring[interval_count]")
    return recurring


def _free_key(store: Store, key: str, *, transfer: bool, own: str | None = None) -> str:
    for holder in store.find("price", lookup_key=key):
        if holder["id"] == own:
            continue
        if not transfer:
            message = (
                f"A price (`{holder['id']}`) already uses that lookup key. You must transfer the lookup key from the "
                "previous price using the `transfer_lookup_key` parameter."
            )
            raise errors.invalid(message, param="lookup_key", code="resource_already_exists")
        events.emit(store, "price.updated", store.put(holder | {"lookup_key": None}), {"lookup_key": key})
    return key


def _tier(given: Obj) -> Obj:
    flat, unit, up_to = given.get("flat_amount"), given.get("unit_amount"), given.get("up_to")
    return {
        "flat_amount": flat,
        "flat_amount_decimal": given.get("flat_amount_decimal") or (None if flat is None else str(flat)),
        "unit_amount": unit,
        "unit_amount_decimal": given.get("unit_amount_decimal") or (None if unit is None else str(unit)),
        "up_to": None if up_to == "inf" else up_to,
    }
