"""Line 1: one plan, five countries."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from proof.expecting import same, true
from proof.lines import Figures, Table, line
from proof.run import Run

PLAN = "premium-plan"
# Zone and multiplier as the source documents give them.
WHERE = {"US": ("A", "1.00"), "DE": ("A", "1.00"), "IN": ("C", "0.40"), "ET": ("D", "0.20"), "JP": ("A", "1.00")}


@line(1, "The price of one plan in five countries")
def prices(run: Run) -> Figures:
    """Every price is the base times the zone's multiplier, rounded once, with its reasons."""
    plans = {country: run.service.get(f"plans/{PLAN}", country=country) for country in WHERE}
    shown = {country: plan["price"] for country, plan in plans.items()}
    yield Table(
        ("country", "zone", "multiplier", "amount", "why"),
        tuple((country, *_row(price)) for country, price in shown.items()),
    )
    for country, (zone, multiplier) in WHERE.items():
        _check(country, shown[country], zone, multiplier)


def _row(price: dict[str, Any]) -> tuple[str, ...]:
    why = " ".join(reason["text"] for reason in price["reasons"])
    return price["zone"], str(price["multiplier"]), f"{price['amount_decimal']} {price['currency'].upper()}", why


def _check(country: str, price: dict[str, Any], zone: str, multiplier: str) -> None:
    same(f"zone of {country}", zone, price["zone"])
    same(f"multiplier of {country}", Decimal(multiplier), Decimal(price["multiplier"]))
    exact = Decimal(price["base"]) * Decimal(multiplier)
    rounded = int(exact.quantize(Decimal(1), ROUND_HALF_UP))
    codes = [reason["code"] for reason in price["reasons"]]
    if "charm" in codes:
        true(f"amount in {country}", price["amount"] <= rounded, price["amount"], expected=f"at most {rounded}")
    else:
        same(f"amount in {country}", rounded, price["amount"])
    true(f"reasons in {country}", bool(codes), codes, expected="at least one")
