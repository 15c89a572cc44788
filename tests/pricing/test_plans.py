"""Plans, their versions and what they include (PL-01, PL-02, PL-06, PL-07, PL-08, PL-09)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import pytest
from django.db import connection

from pricing import features, plans, quotes
from pricing.errors import (
    AmountTooSmall,
    InclusionMismatch,
    PlanNotForSale,
    PlanNotFound,
    PlanVersionFrozen,
    UnchargeableAmount,
    UnknownCurrency,
)
from pricing.inclusions import Inclusion
from pricing.models import Feature, Plan, PlanFeature, PlanVersion
from pricing.plans import Terms
from tests.pricing.conftest import another_version, history_of

Plans = Callable[..., PlanVersion]
CALLS = Inclusion("api_calls", limit=1000, period="month")


def test_the_newest_published_version_is_the_one_on_sale(a_plan: Plans, at: datetime) -> None:
    plan = a_plan("pro").plan
    second = another_version(plan, amount_minor=3999)
    plans.draft(plan, Terms("one_time", 4999), at=at)

    assert plans.for_sale("pro") == second
    assert [version.number for version in plan.versions.all()] == [1, 2, 3]
    assert history_of("plan:pro") == [
        "plan.added",
        "plan.drafted",
        "plan.published",
        "plan.drafted",
        "plan.published",
        "plan.drafted",
    ]


def test_a_version_carries_cycle_seats_trial_and_limits(a_plan: Plans) -> None:
    """PL-01, PL-02, PL-06, PL-08: a family plan, billed by the year, tried for 14 days."""
    included = (CALLS, Inclusion("export"), Inclusion("support_level", value="priority"))

    version = a_plan(billing_cycle="yearly", max_users=6, trial_days=14, features=included)

    assert (version.billing_cycle, version.max_users, version.trial_days) == ("yearly", 6, 14)
    assert plans.terms_of(version).features == included
    assert [row.feature.kind for row in plans.features_of(version)] == ["metered", "boolean", "static"]


def test_a_limit_left_out_is_unlimited_and_zero_is_nothing_included(a_plan: Plans) -> None:
    unlimited = a_plan(features=(replace(CALLS, limit=None),))
    nothing = a_plan(features=(replace(CALLS, limit=0),))

    assert plans.features_of(unlimited).get().limit is None
    assert plans.features_of(nothing).get().limit == 0


@pytest.mark.parametrize(
    ("terms", "refusal"),
    [
        (Terms("monthly", 999, "zzz"), UnknownCurrency),
        (Terms("monthly", 5124, "kwd"), UnchargeableAmount),
        (Terms("monthly", 550, "isk"), UnchargeableAmount),
        (Terms("monthly", 5000, "kwd", floor_minor=15), UnchargeableAmount),
        (Terms("monthly", 49), AmountTooSmall),
        (Terms("monthly", -1), AmountTooSmall),
        (Terms("monthly", 500, floor_minor=501), AmountTooSmall),
        (Terms("monthly", 500, features=(Inclusion("nothing"),)), InclusionMismatch),
        (Terms("monthly", 500, features=(Inclusion("api_calls"),)), InclusionMismatch),
        (Terms("monthly", 500, features=(Inclusion("export", limit=3),)), InclusionMismatch),
        (Terms("monthly", 500, features=(Inclusion("export", value="x"),)), InclusionMismatch),
        (Terms("monthly", 500, features=(Inclusion("support_level"),)), InclusionMismatch),
    ],
)
def test_terms_that_cannot_be_sold_are_refused(
    world: None, at: datetime, terms: Terms, refusal: type[Exception]
) -> None:
    """PL-10: what a plan must say."""
    plan = plans.add("pro", at=at, name="Pro")

    with pytest.raises(refusal):
        plans.draft(plan, terms, at=at)

    assert not plan.versions.exists()


def test_publishing_twice_is_told_once(a_plan: Plans, at: datetime) -> None:
    version = a_plan("pro")

    assert plans.publish(version, at) is False

    assert history_of("plan:pro").count("plan.published") == 1


def test_the_first_sale_freezes_a_version_and_later_ones_change_nothing(a_plan: Plans, at: datetime) -> None:
    version = a_plan("pro", features=(CALLS,))

    assert [plans.mark_sold(version, at), plans.mark_sold(version, at)] == [True, False]

    assert history_of("plan:pro").count("plan.sold") == 1
    with pytest.raises(PlanVersionFrozen, match="pro v1"):
        plans.revise(version, replace(plans.terms_of(version), amount_minor=1999), at=at)


def test_a_version_that_nobody_bought_can_be_revised(a_plan: Plans, at: datetime) -> None:
    version = a_plan("pro", features=(CALLS,))
    terms = Terms("monthly", 1999, features=(Inclusion("export"),))

    assert [plans.revise(version, terms, at=at), plans.revise(version, terms, at=at)] == [True, False]

    assert plans.terms_of(PlanVersion.objects.get(pk=version.pk)) == terms
    assert history_of("plan:pro").count("plan.revised") == 1


def test_an_unpublished_version_is_not_sold(world: None, at: datetime) -> None:
    plan = plans.add("pro", at=at, name="Pro")
    version = plans.draft(plan, Terms("monthly", 1999), at=at)

    with pytest.raises(PlanNotForSale):
        plans.mark_sold(version, at)
    with pytest.raises(PlanNotForSale):
        plans.for_sale("pro")
    with pytest.raises(PlanNotFound):
        plans.for_sale("nothing")


def test_a_plan_s_new_id_follows_everywhere_also_into_what_was_sold(a_plan: Plans, at: datetime) -> None:
    """PL-09."""
    version = a_plan("pro", features=(CALLS,))
    plans.mark_sold(version, at)
    quote = quotes.quote(version, "IN", at=at)

    plans.rename("pro", "professional", at=at)

    assert not Plan.objects.filter(pk="pro").exists()
    assert PlanVersion.objects.get(pk=version.pk).plan_id == "professional"
    quote.refresh_from_db()
    assert quote.version.plan_id == "professional"
    assert history_of("plan:pro")[-1] == history_of("plan:professional")[-1] == "plan.renamed"


def test_every_reference_to_a_plan_follows_its_id(db: None) -> None:
    """PL-09: ON UPDATE CASCADE on every foreign key to it, of whichever app."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT conrelid::regclass::text FROM pg_constraint"
            " WHERE contype = 'f' AND confrelid = 'pricing_plan'::regclass AND confupdtype <> 'c'"
        )
        assert cursor.fetchall() == []


def test_a_change_of_a_plan_is_history_and_a_repeat_is_not(a_plan: Plans, at: datetime) -> None:
    plan = a_plan("pro").plan
    before = plan.updated_at

    assert [plans.change(plan, at=at, name="Professional"), plans.change(plan, at=at, name="Professional")] == [
        True,
        False,
    ]

    plan.refresh_from_db()
    assert plan.name == "Professional"
    assert plan.updated_at >= before
    assert history_of("plan:pro").count("plan.changed") == 1


def test_a_feature_that_a_plan_includes_cannot_be_deleted_but_archived(a_plan: Plans, at: datetime) -> None:
    version = a_plan(features=(CALLS,))
    feature = Feature.objects.get(code="api_calls")

    assert [features.archive(feature, at=at), features.archive(feature, at=at)] == [True, False]

    assert PlanFeature.objects.get(version=version).feature.archived_at == at
    assert history_of("feature:api_calls")[-1] == "feature.archived"
