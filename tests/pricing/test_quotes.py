"""Prices by country, their reasons, and quotes (PL-04, PL-06, PZ-07, PZ-09, PZ-10)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from events import history
from events.asking import KeyReused
from pricing import overrides, places, plans, quotes, zones
from pricing.errors import MalformedCountryCode, PlanNotForSale, ZonesMissing
from pricing.models import Country, PlanVersion, Quote, Zone
from pricing.money import Money
from tests.pricing.conftest import history_of

Plans = Callable[..., PlanVersion]


def codes(price: quotes.Price) -> list[str]:
    return [reason["code"] for reason in price.reasons]


@pytest.mark.parametrize(
    ("country", "plain", "charming"), [("US", 2999, 2999), ("CN", 2099, 2099), ("IN", 1200, 1199), ("ET", 600, 599)]
)
def test_the_documents_example_costs_what_they_say(
    a_plan: Plans, at: datetime, country: str, plain: int, charming: int
) -> None:
    """PL-04, PZ-07: 29.99 in zones A to D, without and with the step to a pleasing price."""
    without, stepped = a_plan(), a_plan(charm=True)

    prices = [quotes.price(version, country, at=at).amount for version in (without, stepped)]

    assert prices == [Money(plain, "usd"), Money(charming, "usd")]


@pytest.mark.parametrize(("country", "amount"), [("US", 1200), ("CN", 840), ("IN", 480), ("ET", 240)])
def test_yen_have_no_cents(a_plan: Plans, at: datetime, country: str, amount: int) -> None:
    version = a_plan(amount_minor=1200, currency="jpy")

    found = quotes.price(version, country, at=at)

    assert str(found.amount) == f"{amount} JPY"


def test_the_reasons_tell_how_the_list_price_became_the_price(a_plan: Plans, at: datetime) -> None:
    version = a_plan(charm=True, floor_minor=1500)

    found = quotes.price(version, "IN", at=at)

    assert [reason["text"] for reason in found.reasons] == [
        "India is in zone C (Mid-Low), multiplier 0.40.",
        "1199.6 minor units are rounded half up to 12.00 USD.",
        "Stepped down to 11.99 USD.",
        "Raised to 15.00 USD, the plan's floor.",
    ]
    assert (found.base, found.amount, found.multiplier) == (Money(2999, "usd"), Money(1500, "usd"), Decimal("0.40"))


def test_a_price_never_falls_below_what_stripe_charges(a_plan: Plans, at: datetime) -> None:
    version = a_plan(amount_minor=99)

    found = quotes.price(version, "ET", at=at)

    assert found.amount == Money(50, "usd")
    assert codes(found) == ["zone", "rounded", "floor"]


def test_a_free_plan_is_free_everywhere(a_plan: Plans, at: datetime) -> None:
    version = a_plan(amount_minor=0, billing_cycle="monthly")

    for country in ("US", "ET", "ZZ"):
        assert quotes.price(version, country, at=at).amount == Money(0, "usd")


@pytest.mark.parametrize("unknown", ["ZZ", "zz", "", None])
def test_an_unknown_country_pays_as_zone_a_and_is_flagged(a_plan: Plans, at: datetime, unknown: str | None) -> None:
    version = a_plan()

    found = quotes.price(version, unknown, at=at)

    assert (found.zone.code, found.amount.minor, found.is_fallback) == ("A", 2999, True)
    assert found.reasons[0]["code"] == "unknown_country"
    assert found.reasons[0]["flagged"] is True


@pytest.mark.parametrize("malformed", ["I", "IND", "1N", "I\x00", "ÄÖ", "I\n", "ＩＮ"])
def test_a_malformed_country_code_is_refused_by_name(a_plan: Plans, at: datetime, malformed: str) -> None:
    version = a_plan()

    with pytest.raises(MalformedCountryCode) as refused:
        quotes.price(version, malformed, at=at)

    assert refused.value.field == "country_code"


def test_without_zones_no_price_is_guessed(db: None, at: datetime) -> None:
    Country.objects.all().delete()
    Zone.objects.all().delete()

    with pytest.raises(ZonesMissing):
        places.find("US")


def test_a_country_s_own_multiplier_beats_its_zone_s(a_plan: Plans, at: datetime) -> None:
    version = a_plan()
    zones.upsert(zones.CountryRow("IN", "India", "C", Decimal("0.30")), at=at)

    found = quotes.price(version, "IN", at=at)

    assert found.amount.minor == 900
    assert codes(found) == ["country_multiplier", "rounded"]


def test_a_price_set_for_a_country_beats_one_for_its_zone_and_every_multiplier(a_plan: Plans, at: datetime) -> None:
    version = a_plan()
    india, zone = Country.objects.get(iso_code="IN"), Zone.objects.get(code="C")
    overrides.set_price(version.plan, zone, Money(1000, "usd"), reason="a campaign", at=at)
    of_zone = quotes.price(version, "IN", at=at)
    zones.upsert(zones.CountryRow("IN", "India", "C", Decimal("0.30")), at=at)
    of_multiplier = quotes.price(version, "IN", at=at)
    overrides.set_price(version.plan, india, Money(79900, "inr"), reason="a local price", at=at)

    of_country = quotes.price(version, "IN", at=at)

    assert [str(found.amount) for found in (of_country, of_zone, of_multiplier)] == [
        "799.00 INR",
        "10.00 USD",
        "9.00 USD",
    ]
    assert [codes(found)[-1] for found in (of_country, of_zone)] == ["country_price", "zone_price"]


def test_a_price_set_for_a_rich_zone_lowers_the_poorer_ones_too(a_plan: Plans, at: datetime) -> None:
    version = a_plan()
    overrides.set_price(version.plan, Zone.objects.get(code="A"), Money(800, "usd"), reason="a sale", at=at)

    prices = {country: quotes.price(version, country, at=at) for country in ("US", "CN", "IN", "ET")}

    assert [price.amount.minor for price in prices.values()] == [800, 800, 800, 600]
    assert codes(prices["IN"])[-1] == "zone_order"


def test_a_quote_keeps_its_price_when_the_zone_changes(a_plan: Plans, at: datetime) -> None:
    version = a_plan()
    quote = quotes.quote(version, "IN", user_id="ann", at=at)
    zones.upsert(zones.CountryRow("IN", "India", "D"), at=at)

    quote.refresh_from_db()

    assert (quote.amount, quote.zone_code, quote.user_id) == (Money(1200, "usd"), "C", "ann")
    assert quotes.quote(version, "IN", at=at).amount == Money(600, "usd")


def test_a_quote_is_good_for_thirty_minutes_and_no_longer(a_plan: Plans, at: datetime) -> None:
    quote = quotes.quote(a_plan(), "IN", at=at)

    half_an_hour = timedelta(minutes=30)

    assert quotes.is_good(quote, at)
    assert quotes.is_good(quote, at + half_an_hour - timedelta(microseconds=1))
    assert not quotes.is_good(quote, at + half_an_hour)
    assert not quotes.is_good(quote, at - timedelta(microseconds=1))


def test_what_is_not_for_sale_is_not_quoted(a_plan: Plans, at: datetime) -> None:
    inactive = a_plan("inactive")
    plans.change(inactive.plan, at=at, active=False)
    unpublished = plans.draft(a_plan("drafted").plan, plans.Terms("monthly", 500), at=at)

    for version in (PlanVersion.objects.get(pk=inactive.pk), unpublished):
        with pytest.raises(PlanNotForSale):
            quotes.quote(version, "US", at=at)


def test_the_same_key_makes_one_quote(a_plan: Plans, at: datetime) -> None:
    a_plan("pro")

    first, was_there = quotes.ask("pro", "IN", user_id="ann", principal="user:ann", key="k1", at=at)
    again, was_there_again = quotes.ask("pro", "in", user_id="ann", principal="user:ann", key="k1", at=at)
    of_another, _ = quotes.ask("pro", "IN", user_id="bob", principal="user:bob", key="k1", at=at)

    assert (first.pk, was_there, was_there_again) == (again.pk, False, True)
    assert of_another.pk != first.pk
    with pytest.raises(KeyReused):
        quotes.ask("pro", "US", user_id="ann", principal="user:ann", key="k1", at=at)


def test_a_quote_says_nothing_in_history_until_somebody_buys(a_plan: Plans, at: datetime) -> None:
    quotes.quote(a_plan(), "IN", user_id="ann", at=at)

    assert history_of(history.user("ann")) == []
    assert Quote.objects.count() == 1
