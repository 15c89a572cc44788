"""What holds for every price: all countries of the seed, all its plans, all currencies (PL-04, PZ-07, PZ-11)."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from pricing import catalog, currencies, quotes
from pricing.models import Country, Plan, PlanVersion, PriceOverride, Zone
from pricing.money import Money
from pricing.places import Place
from tests.pricing.conftest import AT
from tests.pricing.test_money import places

ZONE_ROWS, COUNTRY_ROWS = catalog.zones()
ZONES = {row.code: Zone(code=row.code, name=row.name, multiplier=row.multiplier) for row in ZONE_ROWS}
COUNTRIES = [Country(iso_code=row.iso_code, name=row.name, zone_id=row.zone_id) for row in COUNTRY_ROWS]
CODES = sorted(currencies.CURRENCIES)
PLAN = Plan(id="a-plan")


def price(version: PlanVersion, zone: str, overrides: tuple[PriceOverride, ...] = ()) -> quotes.Price:
    place = Place("XX", Country(iso_code="XX", name="Somewhere", zone_id=zone), ZONES)
    return quotes.price_in(place, version, overrides, at=AT)


@st.composite
def versions(draw: st.DrawFn) -> PlanVersion:
    """Draw the terms of a plan that could be published, in any currency."""
    currency = currencies.find(draw(st.sampled_from(CODES)))
    smallest = currency.smallest_minor // currency.step
    steps = draw(st.integers(smallest, 10**6) | st.integers(smallest, smallest + 200))
    amount = steps * currency.step
    floor = draw(st.none() | st.integers(0, steps).map(lambda count: count * currency.step))
    return PlanVersion(
        plan=PLAN, number=1, amount_minor=amount, currency=currency.code, floor_minor=floor, charm=draw(st.booleans())
    )


@given(versions())
def test_a_poorer_zone_never_pays_more(version: PlanVersion) -> None:
    a, b, c, d = (price(version, zone).amount.minor for zone in "ABCD")

    assert d <= c <= b <= a <= version.amount_minor


@given(versions(), st.dictionaries(st.sampled_from("ABCD"), st.integers(1, 10**6), min_size=1))
def test_prices_set_by_staff_never_turn_the_zones_around(version: PlanVersion, entries: dict[str, int]) -> None:
    currency = currencies.find(version.currency)
    overrides = tuple(
        PriceOverride(zone_id=zone, amount_minor=steps * currency.step, currency=version.currency, reason="a campaign")
        for zone, steps in entries.items()
    )

    a, b, c, d = (price(version, zone, overrides).amount.minor for zone in "ABCD")

    assert d <= c <= b <= a


@given(versions(), st.sampled_from("ABCD"))
def test_a_price_can_be_charged_and_is_never_free(version: PlanVersion, zone: str) -> None:
    currency = currencies.find(version.currency)

    amount = price(version, zone).amount.minor

    assert amount % currency.step == 0
    assert amount >= max(currency.smallest_minor, version.floor_minor or 0)


@given(versions(), st.sampled_from(COUNTRIES))
def test_a_price_agrees_with_plain_arithmetic_in_whole_units(version: PlanVersion, country: Country) -> None:
    unit = Decimal(10) ** -places(version.currency)
    listed = version.amount_minor * unit
    exact = listed * ZONES[country.zone_id].multiplier
    step = currencies.find(version.currency).step * unit

    found = quotes.price_in(Place(country.iso_code, country, ZONES), version, (), at=AT)

    shown = Decimal(found.amount.decimal)
    codes = {reason["code"] for reason in found.reasons}
    if "floor" not in codes:
        assert exact * Decimal("0.9") <= shown + step / 2
        assert shown <= exact + step / 2
    if not codes & {"floor", "charm", "zone_order"}:
        assert abs(shown - exact) <= step / 2


@given(versions(), st.sampled_from("ABCD"))
def test_a_charm_step_never_lifts_a_price(version: PlanVersion, zone: str) -> None:
    found = price(version, zone)

    exact = version.amount_minor * ZONES[zone].multiplier
    steps = [reason["amount_minor"] for reason in found.reasons if reason["code"] == "charm"]

    assert all(step <= exact for step in steps)


@given(versions(), st.integers(1, 10**6), st.sampled_from("ABCD"))
def test_a_dearer_plan_is_never_cheaper_anywhere(version: PlanVersion, more: int, zone: str) -> None:
    step = currencies.find(version.currency).step
    dearer = PlanVersion(
        plan=PLAN,
        number=2,
        amount_minor=version.amount_minor + more * step,
        currency=version.currency,
        floor_minor=version.floor_minor,
        charm=version.charm,
    )

    assert price(version, zone).amount.minor <= price(dearer, zone).amount.minor


def test_every_plan_of_the_seed_is_in_order_in_every_currency_and_country() -> None:
    """PL-04, PZ-02 .. PZ-05: no plan, no currency and no country falls out of the order of zones."""
    _, plan_rows = catalog.plans()
    for row in plan_rows:
        for code in CODES:
            step = currencies.find(code).step
            amount = row.terms.amount_minor * step
            version = PlanVersion(plan=PLAN, number=1, amount_minor=amount, currency=code, charm=row.terms.charm)
            by_zone = {zone: price(version, zone).amount for zone in "ABCD"}
            assert by_zone["D"].minor <= by_zone["C"].minor <= by_zone["B"].minor <= by_zone["A"].minor
            for country in COUNTRIES:
                found = quotes.price_in(Place(country.iso_code, country, ZONES), version, (), at=AT)
                assert found.amount == by_zone[country.zone_id]
                assert found.base == Money(amount, code)
