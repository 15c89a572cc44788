"""One number for one plan version in one country: worked out, rounded once, and frozen with its reasons."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction

from events.asking import KeyReused
from pricing import charm, currencies, places, plans
from pricing.errors import AmountTooSmall, PlanNotForSale
from pricing.models import PlanVersion, PriceOverride, Quote, Zone
from pricing.money import Money, require_chargeable, round_half_up, round_up
from pricing.places import Place

GOOD_FOR = timedelta(minutes=30)
ADOPTED = "adopted"
Reason = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Price:
    """What a plan version costs in a country. `reasons` tell, in order, how `base` became `amount`.

    `multiplier` is the country's, also where a price set by staff stands in its stead.
    """

    version: PlanVersion
    country_code: str
    country_name: str
    zone: Zone
    multiplier: Decimal
    base: Money
    amount: Money
    reasons: tuple[Reason, ...]
    at: datetime

    @property
    def is_fallback(self) -> bool:
        """Whether zone A was taken because the country is not known."""
        return not self.country_name


def price(version: PlanVersion, country_code: str | None, *, at: datetime) -> Price:
    """Work out what `version` costs in a country, and write nothing.

    Raises MalformedCountryCode and ZonesMissing.
    """
    return price_in(places.find(country_code), version, list(version.plan.overrides.all()), at=at)


def quote(
    version: PlanVersion,
    country_code: str | None,
    *,
    user_id: str | None = None,
    principal: str = "",
    key: str | None = None,
    at: datetime,
) -> Quote:
    """Freeze the price for 30 minutes. With a `key` this quote is the only one that `principal` makes under it.

    Raises PlanNotForSale, MalformedCountryCode and ZonesMissing, and IntegrityError when the key is taken.
    """
    if not version.published_at or not version.plan.active:
        raise PlanNotForSale(version.plan_id)
    found = price(version, country_code, at=at)
    return Quote.objects.create(
        version=version,
        country_code=found.country_code,
        zone_code=found.zone.code,
        multiplier=found.multiplier,
        base_minor=found.base.minor,
        amount_minor=found.amount.minor,
        currency=found.amount.currency,
        reasons=list(found.reasons),
        user_id=user_id,
        principal=principal,
        idempotency_key=key,
        created_at=at,
        expires_at=at + GOOD_FOR,
    )


def adopt(version: PlanVersion, country_code: str, amount: Money, *, user_id: str, at: datetime) -> Quote:
    """Freeze what somebody pays already, whatever his zone would cost. Nobody can buy by it.

    A country that is no code counts as unknown. Raises UnchargeableAmount, UnknownCurrency, AmountTooSmall and
    ZonesMissing.
    """
    require_chargeable(amount)
    if not amount.minor and not version.is_free:
        raise AmountTooSmall(amount, Money(currencies.find(amount.currency).smallest_minor, amount.currency))
    place = places.find(country_code if places.ISO_CODE.fullmatch(country_code) else "")
    said = {"code": ADOPTED, "text": f"Adopted as it was paid at Stripe: {amount}.", "amount_minor": amount.minor}
    return Quote.objects.create(
        version=version,
        country_code=place.country_code,
        zone_code=place.zone.code,
        multiplier=place.multiplier,
        base_minor=version.amount_minor,
        amount_minor=amount.minor,
        currency=amount.currency,
        reasons=[_where(place), said],
        user_id=user_id,
        created_at=at,
        # The least that a quote can last: it was sold before it was written.
        expires_at=at + timedelta(microseconds=1),
    )


def is_adopted(quote: Quote) -> bool:
    """Say whether a quote only writes down what was paid already: nobody claimed a country for it."""
    return any(reason["code"] == ADOPTED for reason in quote.reasons)


def ask(
    plan_id: str, country_code: str, *, user_id: str | None, principal: str, key: str | None, at: datetime
) -> tuple[Quote, bool]:
    """Quote what a plan on sale costs, once per key; the second value says whether the quote was there before.

    Raises KeyReused when the key made another quote, PlanNotFound, and what `quote` raises.
    """
    if earlier := _earlier(plan_id, country_code, principal=principal, key=key):
        return earlier, True
    version = plans.for_sale(plan_id)
    try:
        with transaction.atomic():
            made = quote(version, country_code, user_id=user_id, principal=principal, key=key, at=at)
    except IntegrityError:
        # Two requests with one key: the constraint let the other through, and waited for it to commit.
        if earlier := _earlier(plan_id, country_code, principal=principal, key=key):
            return earlier, True
        raise
    return made, False


def is_good(quote: Quote, at: datetime) -> bool:
    """Say whether the quote may still be bought: `[created_at, expires_at)`."""
    return quote.created_at <= at < quote.expires_at


def _earlier(plan_id: str, country_code: str, *, principal: str, key: str | None) -> Quote | None:
    if key is None:
        return None
    found = Quote.objects.select_related("version").filter(principal=principal, idempotency_key=key).first()
    if found and (found.version.plan_id, found.country_code) != (plan_id, places.normalise(country_code)):
        raise KeyReused
    return found


def price_in(place: Place, version: PlanVersion, overrides: Iterable[PriceOverride], *, at: datetime) -> Price:
    """Work out the price from rows already read; `overrides` are those of the version's plan.

    entry(plan, country) > entry(plan, zone) > multiplier(country) > multiplier(zone). Then one rounding half up, the
    charm step downwards, the floor. No zone pays more than the zone above it, whatever staff entered.
    """
    reasons = [_where(place)]
    if version.is_free:
        amount = version.amount
        reasons.append({"code": "free", "text": "The plan is free everywhere."})
    else:
        of_country, of_zone = _entries(place, overrides)
        if of_country:
            amount = _entered(version, of_country, reasons)
        elif place.country and place.country.multiplier is not None:
            amount = _multiplied(version, place.multiplier, reasons)
        else:
            amount = _of_zone(place, version, of_zone, reasons)
    return Price(
        version=version,
        country_code=place.country_code,
        country_name=place.country.name if place.country else "",
        zone=place.zone,
        multiplier=place.multiplier,
        base=version.amount,
        amount=amount,
        reasons=tuple(reasons),
        at=at,
    )


def _where(place: Place) -> Reason:
    zone, multiplier = place.zone, place.multiplier
    said = {"zone": zone.code, "multiplier": str(multiplier), "flagged": place.country is None}
    if place.country is None:
        named = f"Country {place.country_code} is in no zone" if place.country_code else "The country is not known"
        return {"code": "unknown_country", "text": f"{named}: zone {zone.code} applies.", **said}
    text = f"{place.country.name} is in zone {zone.code} ({zone.name}), multiplier {zone.multiplier}."
    if place.country.multiplier is None:
        return {"code": "zone", "text": text, **said}
    text = f"{place.country.name} is in zone {zone.code} ({zone.name}) and has a multiplier of its own, {multiplier}."
    return {"code": "country_multiplier", "text": text, **said}


def _entries(place: Place, overrides: Iterable[PriceOverride]) -> tuple[PriceOverride | None, dict[str, PriceOverride]]:
    of_country = None
    of_zone = {}
    for override in overrides:
        if override.zone_id:
            of_zone[override.zone_id] = override
        elif place.country and override.country_id == place.country.pk:
            of_country = override
    return of_country, of_zone


def _entered(version: PlanVersion, override: PriceOverride, reasons: list[Reason]) -> Money:
    kind, where = ("zone_price", f"zone {override.zone_id}") if override.zone_id else ("country_price", "this country")
    text = f"A price of {override.amount} is set for {where}: {override.reason}"
    reasons.append({"code": kind, "text": text, "amount_minor": override.amount_minor})
    return _floored(version, override.amount, reasons)


def _multiplied(version: PlanVersion, multiplier: Decimal, reasons: list[Reason]) -> Money:
    currency = version.currency
    exact = version.amount_minor * multiplier
    rounded = round_half_up(exact, currency)
    if rounded != exact:
        text = f"{exact.normalize():f} minor units are rounded half up to {Money(rounded, currency)}."
        reasons.append({"code": "rounded", "text": text, "amount_minor": rounded})
    pleasing = charm.step_down(exact, currency) if version.charm else rounded
    if pleasing != rounded:
        text = f"Stepped down to {Money(pleasing, currency)}."
        reasons.append({"code": "charm", "text": text, "amount_minor": pleasing})
    return _floored(version, Money(pleasing, currency), reasons)


def _floored(version: PlanVersion, amount: Money, reasons: list[Reason]) -> Money:
    smallest = currencies.find(amount.currency).smallest_minor
    # The plan's floor is a cost in the plan's own currency, and says nothing about a price in another one.
    cost = version.floor_minor or 0 if amount.currency == version.currency else 0
    floor = Money(round_up(Decimal(max(smallest, cost)), amount.currency), amount.currency)
    if amount.minor >= floor.minor:
        return amount
    why = "the plan's floor" if cost > smallest else "the least that can be charged"
    reasons.append({"code": "floor", "text": f"Raised to {floor}, {why}.", "amount_minor": floor.minor})
    return floor


def _of_zone(place: Place, version: PlanVersion, entries: dict[str, PriceOverride], reasons: list[Reason]) -> Money:
    amount = _alone(place.zone, version, entries, reasons)
    for zone in place.zones.values():
        above = _alone(zone, version, entries, []) if zone.code < place.zone.code else amount
        if above.currency == amount.currency and above.minor < amount.minor:
            amount = above
            text = f"Lowered to {above}, the price of zone {zone.code}: a poorer zone never pays more."
            reasons.append({"code": "zone_order", "text": text, "amount_minor": above.minor})
    return amount


def _alone(zone: Zone, version: PlanVersion, entries: dict[str, PriceOverride], reasons: list[Reason]) -> Money:
    if entry := entries.get(zone.code):
        return _entered(version, entry, reasons)
    return _multiplied(version, zone.multiplier, reasons)


def terms(quote: Quote) -> dict[str, str | int]:
    """Return what a quote offers, as history tells it; `amount` in minor units."""
    return {
        "plan_id": quote.version.plan_id,
        "quote_id": str(quote.pk),
        "country": quote.country_code,
        "zone": quote.zone_code,
        "amount": quote.amount_minor,
        "currency": quote.currency,
    }
