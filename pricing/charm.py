"""Prices that please: a step downwards to such as 11.99, by currency. Off unless a plan version asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from pricing import currencies
from pricing.money import round_half_up

# A step, not a discount: where the next pleasing price lies further down, the price stays as it is.
FURTHEST = Decimal("0.10")

# Per currency, in whole units: up to which price, what it ends in, and how often endings come. The last row has no end.
Ending = tuple[Decimal | None, Decimal, Decimal]


def _row(below: str | None, ending: str, every: str) -> Ending:
    return (None if below is None else Decimal(below), Decimal(ending), Decimal(every))


_NINETY_NINE = (_row("100", "0.99", "1"), _row(None, "0", "1"))
_NINETY = (_row("100", "0.90", "1"), _row(None, "0", "1"))
ENDINGS: Mapping[str, tuple[Ending, ...]] = {
    "usd": _NINETY_NINE,
    "eur": _NINETY_NINE,
    "gbp": _NINETY_NINE,
    "chf": _NINETY,
    "brl": _NINETY,
    "inr": (_row("100", "9", "10"), _row(None, "49", "50")),
    "jpy": (_row("1000", "80", "100"), _row(None, "0", "100")),
    "krw": (_row("10000", "900", "1000"), _row(None, "0", "1000")),
}


def step_down(exact_minor: Decimal, currency: str) -> int:
    """Return the pleasing price next below an exact one, or the exact one rounded half up where there is none.

    Minor units. Never above `exact_minor` by the step, and never falls when `exact_minor` rises: a step that would
    cost more than a tenth is not taken, and every pleasing price taken lies above all prices before it.
    """
    pleasing = _highest_pleasing(exact_minor, currency)
    if pleasing is None or pleasing < exact_minor * (1 - FURTHEST):
        return round_half_up(exact_minor, currency)
    return pleasing


def _highest_pleasing(exact_minor: Decimal, currency: str) -> int | None:
    unit = Decimal(10) ** currencies.find(currency).exponent
    found: list[int] = []
    start = Decimal(0)
    for below, ending, every in ENDINGS.get(currency, ()):
        # The last ending within this row: at most the price, and below the row's end.
        top = exact_minor / unit if below is None else min(exact_minor / unit, below - every + ending)
        if top - ending >= 0:
            price = (top - ending) // every * every + ending
            if price >= start and price > 0:
                found.append(int(price * unit))
        start = below or start
    return max(found, default=None)
