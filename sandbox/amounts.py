"""What a quantity of a price costs, and what a part of a period costs."""

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from typing import Any

from sandbox import errors
from sandbox.store import Obj


def amount_of(price: Obj, quantity: int, currency: str | None = None) -> int:
    """Give the amount of a quantity in minor units of a currency (None: the price's own)."""
    priced = _in_currency(price, currency)
    count = Decimal(quantity)
    if price["transform_quantity"]:
        rounding = ROUND_CEILING if price["transform_quantity"]["round"] == "up" else ROUND_FLOOR
        count = (count / int(price["transform_quantity"]["divide_by"])).to_integral_value(rounding)
    if price["billing_scheme"] == "tiered":
        return whole(_tiered(priced["tiers"] or [], count, volume=price["tiers_mode"] == "volume"))
    return whole(Decimal(str(priced["unit_amount_decimal"])) * count)


def whole(amount: Decimal) -> int:
    """Round half away from zero, so that a credit mirrors its charge."""
    return int(amount.to_integral_value(ROUND_HALF_UP))


def part(amount: int, seconds: int, of: int) -> int:
    """Give the part of an amount that belongs to some seconds of a period."""
    return whole(Decimal(amount) * seconds / of) if of else 0


def other_currency(price: Obj, currency: str, param: str) -> errors.StripeError:
    """Make the 400 of a price that has no amount in a currency."""
    message = (
        f"The price specified only supports `{price['currency']}`. "
        f"This doesn't match the expected currency: `{currency}`."
    )
    return errors.invalid(message, param=param)


def _in_currency(price: Obj, currency: str | None) -> Obj:
    if currency in (None, price["currency"]):
        return {"unit_amount_decimal": price["unit_amount_decimal"], "tiers": price.get("_tiers")}
    option: dict[str, Any] | None = price.get("_currency_options", {}).get(currency)
    if option is None:
        raise other_currency(price, str(currency), "currency")
    decimal = option.get("unit_amount_decimal") or option.get("unit_amount")
    return {"unit_amount_decimal": decimal, "tiers": option.get("tiers")}


def _tiered(tiers: list[Obj], count: Decimal, *, volume: bool) -> Decimal:
    """Price a quantity over tiers: all of it in the tier it reaches (volume), or each part in its own (graduated)."""
    total, below = Decimal(0), Decimal(0)
    for tier in tiers:
        top = Decimal("Infinity") if tier["up_to"] == "inf" else Decimal(tier["up_to"])
        unit = Decimal(str(tier.get("unit_amount_decimal") or tier.get("unit_amount") or 0))
        flat = Decimal(str(tier.get("flat_amount_decimal") or tier.get("flat_amount") or 0))
        if volume and count <= top:
            return unit * count + flat
        if not volume and count > below:
            total += unit * (min(count, top) - below) + flat
        below = top
    return total
