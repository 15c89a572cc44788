"""Prices that staff set for a plan in one country or zone."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from events import history
from pricing import currencies
from pricing.errors import AmountTooSmall
from pricing.models import Country, Plan, PriceOverride, Zone
from pricing.money import Money, require_chargeable


@transaction.atomic
def set_price(plan: Plan, place: Country | Zone, price: Money, *, reason: str, at: datetime) -> PriceOverride:
    """Set what the plan costs in a country or zone, in any currency. May be repeated.

    Running subscriptions and open quotes keep theirs. Raises UnchargeableAmount, and AmountTooSmall below what Stripe
    charges: an override never makes a plan free.
    """
    smallest = Money(currencies.find(price.currency).smallest_minor, price.currency)
    if require_chargeable(price).minor < smallest.minor:
        raise AmountTooSmall(price, smallest)
    Plan.objects.select_for_update(no_key=True).get(pk=plan.pk)
    where = _where(place)
    before = PriceOverride.objects.filter(plan=plan, **where).first()
    said = {"amount_minor": price.minor, "currency": price.currency, "reason": reason}
    override, added = PriceOverride.objects.update_or_create(
        plan=plan, **where, defaults={**said, "updated_at": Now()}, create_defaults=said
    )
    if added or (before and _values(before) != said):
        _record("price.set", override, at, before=_values(before) if before else None, after=said)
    return override


@transaction.atomic
def remove(override: PriceOverride, *, at: datetime) -> None:
    """Let the plan follow the multiplier again in that country or zone."""
    _record("price.removed", override, at, before=_values(override), after=None)
    override.delete()


def _where(place: Country | Zone) -> dict[str, Any]:
    return {"country": place} if isinstance(place, Country) else {"zone": place}


def _values(override: PriceOverride) -> dict[str, Any]:
    return {"amount_minor": override.amount_minor, "currency": override.currency, "reason": override.reason}


def _record(
    type: str, override: PriceOverride, at: datetime, *, before: dict[str, Any] | None, after: dict[str, Any] | None
) -> None:
    where = f"zone:{override.zone_id}" if override.zone_id else f"country:{override.country}".split(" ")[0]
    data = {"where": where, "before": before, "after": after}
    history.record(type, subject=f"plan:{override.plan_id}", object=f"price_override:{override.pk}", at=at, data=data)
