"""Zones and countries: the verbs, their history, and prices set by staff (PZ-01, PZ-06)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import pytest

from events.models import Event
from pricing import overrides, quotes, zones
from pricing.errors import (
    AmountTooSmall,
    CountryNotFound,
    CountryTwice,
    MultiplierOutOfRange,
    UnchargeableAmount,
    UnknownZone,
    ZonesOutOfOrder,
)
from pricing.models import Country, PlanVersion, PriceOverride, Zone
from pricing.money import Money
from tests.pricing.conftest import COUNTRIES, ZONES, history_of

Plans = Callable[..., PlanVersion]
INDIA = COUNTRIES[2]
# A code that ISO 3166 leaves to its users: in no seed.
NOWHERE = zones.CountryRow("QM", "Nowhere", "C", None, "Lower middle income")


def test_an_upsert_adds_then_changes_then_leaves_alone(world: None, at: datetime) -> None:
    """PZ-06."""
    moved = replace(NOWHERE, zone_id="D")

    kinds = [zones.upsert(row, at=at).kind for row in (NOWHERE, moved, moved)]

    assert kinds == ["added", "changed", "unchanged"]
    assert history_of("country:QM") == ["country.added", "country.changed"]


def test_history_holds_what_was_before_and_after(world: None, at: datetime) -> None:
    zones.upsert(replace(INDIA, multiplier=Decimal("0.35")), at=at)

    event = Event.objects.filter(subject="country:IN").latest("sequence")

    assert (event.data["before"]["multiplier"], event.data["after"]["multiplier"]) == (None, "0.35")
    assert event.at == at


def test_a_bulk_upsert_is_repeatable_and_its_dry_run_writes_nothing(world: None, at: datetime) -> None:
    """PZ-06."""
    rows = [NOWHERE, replace(INDIA, zone_id="D"), COUNTRIES[0]]
    before = Event.objects.count()

    dry = zones.bulk_upsert(rows, dry_run=True, at=at)
    written_by_dry_run = Event.objects.count() - before
    wet = zones.bulk_upsert(rows, at=at)
    again = zones.bulk_upsert(rows, at=at)

    assert written_by_dry_run == 0
    assert [(dry.keys(kind), wet.keys(kind)) for kind in ("added", "changed", "unchanged")] == [
        (["QM"], ["QM"]),
        (["IN"], ["IN"]),
        (["US"], ["US"]),
    ]
    assert again.keys("unchanged") == ["QM", "IN", "US"]


@pytest.mark.parametrize(
    ("row", "refusal"),
    [
        (replace(NOWHERE, zone_id="Q"), UnknownZone),
        (replace(NOWHERE, multiplier=Decimal(0)), MultiplierOutOfRange),
        (replace(NOWHERE, multiplier=Decimal("2.01")), MultiplierOutOfRange),
        (INDIA, CountryTwice),
    ],
)
def test_one_bad_row_stops_a_whole_bulk(
    world: None, at: datetime, row: zones.CountryRow, refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        zones.bulk_upsert([replace(INDIA, zone_id="D"), row], at=at)

    assert Country.objects.get(iso_code="IN").zone_id == "C"


def test_a_bulk_counts_the_open_quotes_that_keep_their_price(a_plan: Plans, at: datetime) -> None:
    quotes.quote(a_plan(), "IN", at=at)

    outcome = zones.bulk_upsert([replace(INDIA, zone_id="D")], dry_run=True, at=at)

    assert outcome.open_quotes == 1


def test_a_removed_country_is_unknown_and_its_prices_go_with_it(a_plan: Plans, at: datetime) -> None:
    version = a_plan("pro")
    india = Country.objects.get(iso_code="IN")
    overrides.set_price(version.plan, india, Money(900, "usd"), reason="a local price", at=at)

    zones.remove("IN", at=at)

    assert quotes.price(version, "IN", at=at).is_fallback
    assert history_of("country:IN")[-1] == "country.removed"
    assert history_of("plan:pro")[-2:] == ["price.set", "price.removed"]
    with pytest.raises(CountryNotFound):
        zones.remove("IN", at=at)


def test_multipliers_may_not_rise_from_a_to_d(world: None, at: datetime) -> None:
    dearer = replace(ZONES[2], multiplier=Decimal("0.71"))

    with pytest.raises(ZonesOutOfOrder, match=r"A 1.00, B 0.70, C 0.71, D 0.20"):
        zones.upsert_zones([dearer], at=at)

    assert Zone.objects.get(code="C").multiplier == Decimal("0.40")


def test_a_zone_s_change_is_history_and_reaches_its_countries(a_plan: Plans, at: datetime) -> None:
    version = a_plan()

    zones.upsert_zones([replace(ZONES[2], multiplier=Decimal("0.50"))], at=at)

    assert quotes.price(version, "IN", at=at).amount.minor == 1500
    assert history_of("zone:C")[-1] == "zone.updated"


def test_setting_the_same_price_twice_is_told_once(a_plan: Plans, at: datetime) -> None:
    plan, zone = a_plan("pro").plan, Zone.objects.get(code="D")

    for _ in range(2):
        overrides.set_price(plan, zone, Money(500, "usd"), reason="a campaign", at=at)
    overrides.set_price(plan, zone, Money(400, "usd"), reason="a campaign", at=at)

    assert PriceOverride.objects.get().amount == Money(400, "usd")
    assert history_of("plan:pro").count("price.set") == 2


@pytest.mark.parametrize(
    ("price", "refusal"),
    [(Money(0, "usd"), AmountTooSmall), (Money(49, "usd"), AmountTooSmall), (Money(5124, "kwd"), UnchargeableAmount)],
)
def test_a_price_that_stripe_cannot_charge_is_not_set(
    a_plan: Plans, at: datetime, price: Money, refusal: type[Exception]
) -> None:
    plan, zone = a_plan().plan, Zone.objects.get(code="D")

    with pytest.raises(refusal):
        overrides.set_price(plan, zone, price, reason="a slip", at=at)
