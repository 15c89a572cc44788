"""The prices at Stripe: one for each plan version, interval, currency and amount, made on demand."""

from __future__ import annotations

from typing import Any

from billing import gateway
from billing.errors import StripeUnknown
from billing.models import StripePrice
from pricing.models import PlanVersion, Quote

# Each is a key of its own at Stripe, sent when an error is kept under the one before.
ATTEMPTS = 5
INTERVAL = {PlanVersion.Cycle.MONTHLY: "month", PlanVersion.Cycle.YEARLY: "year"}


def at_stripe(quote: Quote) -> str:
    """Return the id of Stripe's price for exactly the quoted amount.

    Two zones may share a currency, so `currency_options` cannot hold them: each amount is a price of its own.
    Raises StripeUnknown, StripeRefused. May race and be repeated.
    """
    lookup_key = lookup_key_of(quote)
    known = StripePrice.objects.filter(lookup_key=lookup_key).first()
    if known:
        return known.stripe_id
    price = gateway.price_by_lookup_key(lookup_key) or _made(_params(quote), lookup_key)
    kept, _ = StripePrice.objects.get_or_create(
        lookup_key=lookup_key,
        defaults={
            "version": quote.version,
            "amount_minor": quote.amount_minor,
            "currency": quote.currency,
            "stripe_id": price["id"],
        },
    )
    return kept.stripe_id


def keep(price: dict[str, Any], version: PlanVersion) -> None:
    """Keep a price that was made at Stripe by somebody else. May be repeated."""
    lookup_key = price["lookup_key"] or ""
    # Ours only when it is what we would have written, and no other price of that name is kept.
    if not lookup_key.startswith("plan:") or StripePrice.objects.filter(lookup_key=lookup_key).exists():
        lookup_key = f"adopted:{price['id']}"
    said = {"amount_minor": price["unit_amount"], "currency": price["currency"], "lookup_key": lookup_key}
    StripePrice.objects.get_or_create(stripe_id=price["id"], defaults={"version": version, **said})


def lookup_key_of(quote: Quote) -> str:
    """Name the price: `plan:pro-monthly:v1:month:usd:800`, the same on every machine."""
    version = quote.version
    interval = INTERVAL.get(PlanVersion.Cycle(version.billing_cycle), "once")
    return f"plan:{version.plan_id}:v{version.number}:{interval}:{quote.currency}:{quote.amount_minor}"


def _made(params: dict[str, Any], lookup_key: str) -> dict[str, Any]:
    """Make a price. Everybody tries the same keys in the same order, and Stripe gives a lookup key to one price."""
    for attempt in range(1, ATTEMPTS):
        try:
            return gateway.create_price(params, lookup_key=lookup_key, attempt=attempt)
        except StripeUnknown as reason:
            if not reason.kept:
                raise
        if price := gateway.price_by_lookup_key(lookup_key):
            return price
    return gateway.create_price(params, lookup_key=lookup_key, attempt=ATTEMPTS)


def _params(quote: Quote) -> dict[str, Any]:
    version = quote.version
    params: dict[str, Any] = {
        "currency": quote.currency,
        "unit_amount": quote.amount_minor,
        "product_data": {"name": version.plan.name, "metadata": {"plan_id": version.plan_id}},
        "metadata": {"plan_id": version.plan_id, "version": str(version.number), "zone": quote.zone_code},
    }
    if interval := INTERVAL.get(PlanVersion.Cycle(version.billing_cycle)):
        params["recurring"] = {"interval": interval}
    return params
