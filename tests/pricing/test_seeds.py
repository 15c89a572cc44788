"""seed_zones and seed_plans: repeatable, dry, and never over what staff changed (PL-03, PZ-08)."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from events import context
from events.models import Event
from pricing import catalog, features, plans, seeding, zones
from pricing.models import Country, Feature, Plan, PlanVersion, Zone
from tests.pricing.conftest import AT, history_of

pytestmark = pytest.mark.usefixtures("world")
ZONE_FILE = catalog.zones()
PLAN_FILE = catalog.plans()


def sums(lines: list[seeding.Line]) -> dict[str, int]:
    return dict(Counter(line.kind for line in lines))


def kept(lines: list[seeding.Line]) -> list[tuple[str, str]]:
    return [(line.key, line.detail) for line in lines if line.kind == "kept"]


def seed_zones(rows: seeding.ZoneCatalog = ZONE_FILE, **options: Any) -> list[seeding.Line]:
    return seeding.seed_zones(rows, **{"dry_run": False, "force": False, "at": AT, **options})


def seed_plans(rows: seeding.PlanCatalog = PLAN_FILE, **options: Any) -> list[seeding.Line]:
    return seeding.seed_plans(rows, **{"dry_run": False, "force": False, "at": AT, **options})


def other_plans(**terms: Any) -> seeding.PlanCatalog:
    """The file with other terms for pro-monthly."""
    rows = [replace(row, terms=replace(row.terms, **terms)) if row.id == "pro-monthly" else row for row in PLAN_FILE[1]]
    return PLAN_FILE[0], rows


def test_a_second_seed_changes_nothing() -> None:
    before = Event.objects.count()

    assert sums(seed_zones()) == {"unchanged": 254}
    assert sums(seed_plans()) == {"unchanged": 12}

    assert Event.objects.count() == before


def test_a_seed_fills_an_empty_database() -> None:
    PlanVersion.objects.all().delete()
    for model in (Plan, Feature, Country, Zone):
        model.objects.all().delete()

    assert sums(seed_zones(dry_run=True)) == {"added": 254}
    assert not Zone.objects.exists()
    assert sums(seed_zones()) == {"added": 254}
    assert sums(seed_plans()) == {"added": 12}

    assert plans.for_sale("premium-plan").amount_minor == 2999
    assert Country.objects.get(iso_code="IN").zone_id == "C"


def test_a_changed_plan_makes_a_new_version_and_leaves_the_sold_one_alone(at: datetime) -> None:
    sold = plans.for_sale("pro-monthly")
    plans.mark_sold(sold, at)

    lines = seed_plans(other_plans(amount_minor=2499))

    assert [(line.key, line.kind, line.detail) for line in lines if line.kind != "unchanged"] == [
        ("pro-monthly", "changed", "terms: a new version")
    ]
    current = plans.for_sale("pro-monthly")
    assert (current.number, current.amount_minor) == (sold.number + 1, 2499)
    assert PlanVersion.objects.get(pk=sold.pk).amount_minor == 1999
    assert sums(seed_plans(other_plans(amount_minor=2499))) == {"unchanged": 12}


def test_a_dry_run_shows_the_new_version_and_makes_none() -> None:
    before = history_of("plan:pro-monthly")

    lines = seed_plans(other_plans(amount_minor=2499), dry_run=True)

    assert sums(lines) == {"unchanged": 11, "changed": 1}
    assert plans.for_sale("pro-monthly").amount_minor == 1999
    assert history_of("plan:pro-monthly") == before


def test_what_staff_changed_is_kept_and_said_until_it_is_forced(at: datetime) -> None:
    india = zones.CountryRow("IN", "India", "D", None, "Lower middle income", "World Bank FY2026")
    with context.acting("staff:anna"):
        zones.upsert(india, at=at)
        zones.remove("FR", at=at)

    first, second = seed_zones(), seed_zones()
    assert kept(first) == kept(second) == [("FR", "removed by staff"), ("IN", "zone: D -> C")]
    assert Country.objects.get(iso_code="IN").zone_id == "D"

    assert sums(seed_zones(force=True)) == {"unchanged": 252, "changed": 1, "added": 1}
    assert sums(seed_zones()) == {"unchanged": 254}


def test_a_zone_that_staff_changed_is_kept(at: datetime) -> None:
    row = next(row for row in ZONE_FILE[0] if row.code == "C")
    with context.acting("admin:root"):
        zones.upsert_zones([replace(row, multiplier=Decimal("0.50"))], at=at)

    lines = seed_zones()

    assert kept(lines) == [("C", "multiplier: 0.50 -> 0.40")]
    assert Zone.objects.get(code="C").multiplier == Decimal("0.50")


def test_plans_and_features_that_staff_changed_are_kept(at: datetime) -> None:
    with context.acting("staff:anna"):
        plans.change(plans.find("free"), at=at, name="Gratis")
        row = next(row for row in PLAN_FILE[0] if row.code == "seats")
        features.upsert(replace(row, name="Chairs"), at=at)

    lines = seed_plans()

    assert kept(lines) == [("seats", "name: Chairs -> Seats"), ("free", "name: Gratis -> Free")]


def test_a_sale_does_not_count_as_a_change_by_staff(at: datetime) -> None:
    with context.acting("stripe"):
        plans.mark_sold(plans.for_sale("pro-monthly"), at)

    lines = seed_plans(other_plans(trial_days=7))

    assert sums(lines) == {"unchanged": 11, "changed": 1}


def test_the_commands_show_what_they_did(at: datetime) -> None:
    with context.acting("staff:anna"):
        plans.change(plans.find("free"), at=at, name="Gratis")
    out = StringIO()

    call_command("seed_plans", "--dry-run", stdout=out)
    call_command("seed_zones", stdout=out)

    shown = out.getvalue()
    assert "seed_plans: 0 added, 0 changed, 1 kept, 11 unchanged (dry run: nothing was written)" in shown
    assert "name: Gratis -> Free" in shown
    assert "seed_zones: 0 added, 0 changed, 0 kept, 254 unchanged" in shown
