"""What a subscription shall bill after a change, and whether that is more or less than before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any

from billing import prices, wishes
from billing.models import Subscription
from billing.subscription_errors import ItemsDiffer, OtherProductLine
from pricing import plans, quotes
from pricing.models import PlanVersion, Quote

MONTHS = {PlanVersion.Cycle.MONTHLY: 1, PlanVersion.Cycle.YEARLY: 12}


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked for; None leaves it as it is. `items`: all that shall stand beside the plan."""

    plan_id: str | None = None
    price_id: str | None = None
    quantity: int | None = None
    items: tuple[Mapping[str, Any], ...] | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One price and its quantity. `item`: Stripe's id of the item that bills it, None for a new one."""

    item: str | None
    quote: Quote
    quantity: int
    main: bool

    @property
    def terms(self) -> tuple[object, ...]:
        """What makes two lines the same to Stripe."""
        quote = self.quote
        return quote.version_id, quote.currency, quote.amount_minor, self.quantity


def lines_now(subscription: Subscription) -> list[Line]:
    """Return what the subscription bills, the plan first."""
    rows = subscription.items.filter(removed_at=None).select_related("quote__version__plan").order_by("-main", "pk")
    return [Line(row.stripe_id, row.quote, row.quantity, row.main) for row in rows]


def lines_after(subscription: Subscription, target: Target, *, at: datetime) -> list[Line]:
    """Return what the subscription shall bill, the plan first.

    Who pays keeps his price; a plan that is new to him gets a new quote in the country in which he bought.
    Raises OtherProductLine, ItemsDiffer, and what `wishes.version_of` raises.
    """
    now = lines_now(subscription)
    main = next(line for line in now if line.main)
    main = Line(main.item, _plan(subscription, main, target, at=at), target.quantity or main.quantity, main=True)
    extras = [line for line in now if not line.main]
    if target.items is not None:
        extras = [_extra(subscription, item, extras, at=at) for item in target.items]
    versions = [main.quote.version_id, *(line.quote.version_id for line in extras)]
    for line in extras:
        version = line.quote.version
        if (version.billing_cycle, line.quote.currency) != (main.quote.version.billing_cycle, main.quote.currency):
            raise ItemsDiffer(version.plan_id)
        if versions.count(version.pk) > 1:
            raise ItemsDiffer(version.plan_id)
    return [main, *extras]


def is_same(lines: list[Line], others: list[Line]) -> bool:
    """Say whether two sets of lines bill the same."""
    return {line.terms for line in lines} == {line.terms for line in others}


def per_month(lines: list[Line]) -> Fraction:
    """Return what lines cost in a month, in minor units."""
    return sum(
        (Fraction(line.quote.amount_minor * line.quantity, months_of(line)) for line in lines), start=Fraction(0)
    )


def months_of(line: Line) -> int:
    """Return for how many months a line is billed at once."""
    return MONTHS[PlanVersion.Cycle(line.quote.version.billing_cycle)]


def at_stripe(lines: list[Line], before: list[Line]) -> list[dict[str, Any]]:
    """Write lines as the items of Stripe's update call: those that go are named as deleted."""
    kept = {line.item for line in lines}
    wanted = [
        {**({"id": line.item} if line.item else {}), "price": prices.at_stripe(line.quote), "quantity": line.quantity}
        for line in lines
    ]
    return wanted + [{"id": line.item, "deleted": True} for line in before if line.item not in kept]


def billed(lines: list[Line]) -> dict[str, int]:
    """Map Stripe's prices to their quantities."""
    return {prices.at_stripe(line.quote): line.quantity for line in lines}


def access_difference(before: list[Line], after: list[Line]) -> dict[str, Any]:
    """Say which features are gained and lost, and which change their terms."""
    old, new = _features(before), _features(after)
    return {
        "gained": sorted(new.keys() - old.keys()),
        "lost": sorted(old.keys() - new.keys()),
        "changed": [
            {"feature": code, "before": old[code], "after": new[code]}
            for code in sorted(old.keys() & new.keys())
            if old[code] != new[code]
        ],
    }


def _plan(subscription: Subscription, main: Line, target: Target, *, at: datetime) -> Quote:
    if target.plan_id is None and target.price_id is None:
        return main.quote
    if target.plan_id == main.quote.version.plan_id:
        return main.quote
    version = wishes.version_of(target.plan_id, target.price_id)
    if version.plan_id == main.quote.version.plan_id:
        return main.quote
    if version.plan.product_line != subscription.product_line:
        raise OtherProductLine(version.plan_id, subscription.product_line)
    return _quoted(subscription, version, at=at)


def _extra(subscription: Subscription, item: Mapping[str, Any], extras: list[Line], *, at: datetime) -> Line:
    for line in extras:
        if line.quote.version.plan_id == item.get("plan_id"):
            return Line(line.item, line.quote, item["quantity"], main=False)
    version = wishes.version_of(item.get("plan_id"), item.get("price_id"))
    for line in extras:
        if line.quote.version.plan_id == version.plan_id:
            return Line(line.item, line.quote, item["quantity"], main=False)
    return Line(None, _quoted(subscription, version, at=at), item["quantity"], main=False)


def _quoted(subscription: Subscription, version: PlanVersion, *, at: datetime) -> Quote:
    # Its price is made at Stripe next: from then on the version stands.
    plans.mark_sold(version, at=at)
    return quotes.quote(version, subscription.quote.country_code, user_id=subscription.customer.user_id, at=at)


def _features(lines: list[Line]) -> dict[str, dict[str, Any]]:
    return {
        included.feature_id: {
            "limit": included.limit,
            "period": included.period,
            "soft": included.soft,
            "value": included.value,
        }
        for line in reversed(lines)
        for included in plans.features_of(line.quote.version)
    }
