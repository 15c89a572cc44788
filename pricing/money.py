"""Money is an integer of minor units and a currency. Never a float."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal, localcontext

from pricing import currencies
from pricing.errors import UnchargeableAmount


@dataclass(frozen=True, slots=True)
class Money:
    """An amount as Stripe counts it: `minor` units of `currency` (stored lower case, shown upper case)."""

    minor: int
    currency: str

    def __post_init__(self) -> None:
        """Refuse floats and currencies that Stripe does not know, where they come in. Raises UnknownCurrency."""
        if type(self.minor) is not int:
            raise TypeError(f"minor units are an int, not {self.minor!r}")
        object.__setattr__(self, "currency", currencies.find(self.currency).code)

    def __str__(self) -> str:
        return f"{self.decimal} {self.currency.upper()}"

    @property
    def decimal(self) -> str:
        """The amount as people write it, with the currency's places: 29.99, 500, 5.120."""
        return f"{Decimal(self.minor).scaleb(-exponent(self.currency)):f}"


def exponent(currency: str) -> int:
    """Return how many decimal places Stripe's amounts in this currency have: 0, 2 or 3. Raises UnknownCurrency."""
    return currencies.find(currency).exponent


def round_half_up(minor: Decimal, currency: str) -> int:
    """Round an exact number of minor units to the nearest amount that Stripe can charge, halves up."""
    return _to_step(minor, currency, ROUND_HALF_UP)


def round_up(minor: Decimal, currency: str) -> int:
    """Return the least amount that Stripe can charge and that is not below `minor`."""
    return _to_step(minor, currency, ROUND_CEILING)


def require_chargeable(money: Money) -> Money:
    """Return `money` when Stripe can charge it to the last digit. Raises UnchargeableAmount."""
    step = currencies.find(money.currency).step
    if money.minor % step:
        raise UnchargeableAmount(money, step)
    return money


def _to_step(minor: Decimal, currency: str, rounding: str) -> int:
    step = currencies.find(currency).step
    with localcontext(prec=60):
        return int((minor / step).quantize(Decimal(1), rounding=rounding)) * step
