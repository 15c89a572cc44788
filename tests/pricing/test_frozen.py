"""The database refuses what Python refuses: sold versions, quotes, and rules that are constraints."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from pricing import plans, quotes
from pricing.inclusions import Inclusion
from pricing.models import Country, PlanFeature, PlanVersion, PriceOverride, Quote, Zone

Plans = Callable[..., PlanVersion]


def refused(statement: str, *values: Any) -> str:
    """Run SQL as psql would, and return why it was refused."""
    with pytest.raises(IntegrityError) as error, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, values)
    return str(error.value).splitlines()[0]


@pytest.fixture
def sold(a_plan: Plans, at: datetime) -> PlanVersion:
    version = a_plan("pro", features=(Inclusion("api_calls", limit=10, period="month"),))
    a_plan("other")
    plans.mark_sold(version, at)
    return version


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE pricing_planversion SET amount_minor = 1000 WHERE id = %s",
        "UPDATE pricing_planversion SET sold_at = NULL WHERE id = %s",
        "UPDATE pricing_planversion SET plan_id = 'other', number = 7 WHERE id = %s",
        "UPDATE pricing_planversion SET plan_id = 'other' WHERE id = %s",
        "DELETE FROM pricing_planversion WHERE id = %s",
        'UPDATE pricing_planfeature SET "limit" = 20 WHERE version_id = %s',
        "DELETE FROM pricing_planfeature WHERE version_id = %s",
    ],
)
def test_nothing_of_a_sold_version_can_be_changed_by_sql(sold: PlanVersion, statement: str) -> None:
    assert "never changes" in refused(statement, sold.pk)


def test_nothing_can_be_added_to_a_sold_version(sold: PlanVersion) -> None:
    with pytest.raises(IntegrityError, match="sold version"), transaction.atomic():
        PlanFeature.objects.create(version=sold, feature_id="export")


def test_a_feature_cannot_be_moved_into_a_sold_version(sold: PlanVersion, a_plan: Plans) -> None:
    unsold = a_plan("unsold", features=(Inclusion("export"),))

    why = refused("UPDATE pricing_planfeature SET version_id = %s WHERE version_id = %s", sold.pk, unsold.pk)

    assert "never changes" in why


def test_a_version_that_nobody_bought_is_not_frozen(a_plan: Plans) -> None:
    version = a_plan(features=(Inclusion("export"),))

    changed = PlanVersion.objects.filter(pk=version.pk).update(amount_minor=1000)
    version.features.all().delete()

    assert changed == 1


def test_a_quote_cannot_be_changed_by_sql_but_old_ones_may_go(a_plan: Plans, at: datetime) -> None:
    quote = quotes.quote(a_plan(), "IN", at=at)

    assert "a quote never changes" in refused("UPDATE pricing_quote SET amount_minor = 1 WHERE id = %s", quote.pk)

    assert Quote.objects.filter(pk=quote.pk).delete()[0] == 1


@pytest.mark.parametrize("multiplier", ["0", "-0.1", "2.01", "999.99"])
def test_a_multiplier_is_above_zero_and_at_most_two(world: None, multiplier: str) -> None:
    """Ruling 32."""
    for rows in (Zone.objects.filter(code="A"), Country.objects.filter(iso_code="IN")):
        with pytest.raises(IntegrityError), transaction.atomic():
            rows.update(multiplier=Decimal(multiplier))


@pytest.mark.parametrize(
    ("amount", "currency"), [(5124, "kwd"), (550, "isk"), (550, "ugx"), (-1, "usd"), (100, "USD"), (100, "us")]
)
def test_an_amount_that_stripe_cannot_charge_is_refused_by_the_database(
    a_plan: Plans, amount: int, currency: str
) -> None:
    version = a_plan()

    with pytest.raises(IntegrityError), transaction.atomic():
        PlanVersion.objects.filter(pk=version.pk).update(amount_minor=amount, currency=currency)


def test_a_price_of_zero_is_only_for_a_free_plan(a_plan: Plans, at: datetime) -> None:
    quote = quotes.quote(a_plan(), "IN", at=at)
    quote.pk, quote.amount_minor, quote.idempotency_key = None, 0, None

    with pytest.raises(IntegrityError, match="quote_is_free_only_for_a_free_plan"), transaction.atomic():
        Quote.objects.bulk_create([quote])


def test_an_override_is_of_a_country_or_of_a_zone(a_plan: Plans) -> None:
    plan = a_plan().plan
    india, zone = Country.objects.get(iso_code="IN"), Zone.objects.get(code="C")

    for place in ({}, {"country": india, "zone": zone}):
        with pytest.raises(IntegrityError, match="override_of_a_country_or_a_zone"), transaction.atomic():
            PriceOverride.objects.create(plan=plan, currency="usd", amount_minor=900, reason="", **place)
