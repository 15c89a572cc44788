"""What a feature is stays as it is once somebody had or bought it: what was answered must stay true."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from entitlements import awards, overrides
from entitlements.awards import Gift
from entitlements.overrides import Ruling
from events.asking import Asking
from pricing import catalog, features, plans, seeding
from pricing.errors import FeatureInUse
from pricing.features import FeatureRow
from pricing.inclusions import Inclusion
from pricing.models import Feature, PlanVersion
from tests.entitlements.test_races import wait_until_blocked
from tests.pricing.conftest import AT, history_of

LEVEL = FeatureRow("level", "Level", "static", value_type="enum", choices=["low", "high"], merge="max")
NOBODY = Asking("admin:root", None, "")
CHANGES: list[dict[str, Any]] = [
    {"kind": "boolean"},
    {"merge": "min"},
    {"consumable": False},
    {"value_type": "text"},
    {"choices": ["low"]},
    {"choices": ["high", "low"]},
    {"choices": []},
]


def give() -> None:
    awards.give("ann", Gift(feature_code="level", value="low"), reason="asked for", asking=NOBODY)


def rule() -> None:
    overrides.add("ann", Ruling("level", "value", value="low"), reason="asked for", asking=NOBODY)


def sell() -> None:
    plan = plans.add("sold", at=AT, name="Sold")
    terms = plans.Terms("monthly", 500, features=(Inclusion("level", value="low"),))
    version = plans.draft(plan, terms, at=AT)
    plans.publish(version, AT)
    plans.mark_sold(version, AT)


@pytest.fixture
def level(world: None) -> FeatureRow:
    features.upsert(LEVEL, at=AT)
    return LEVEL


@pytest.mark.parametrize("use", [give, rule, sell])
@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_what_a_feature_is_stays_once_it_was_used(level: FeatureRow, use: Callable[[], None], change: Any) -> None:
    use()
    before = Feature.objects.values().get(code="level")

    with pytest.raises(FeatureInUse, match=next(iter(change))) as refused:
        features.upsert(replace(level, **change), at=AT)
    with pytest.raises(IntegrityError, match="what level is stays"), transaction.atomic():
        Feature.objects.filter(code="level").update(**change)

    assert refused.value.names == list(change)
    assert Feature.objects.values().get(code="level") == before
    assert history_of("feature:level") == ["feature.added"]


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_it_may_change_until_then(level: FeatureRow, change: Any) -> None:
    plan = plans.add("draft", at=AT, name="Draft")
    plans.draft(plan, plans.Terms("monthly", 500, features=(Inclusion("level", value="low"),)), at=AT)

    assert features.upsert(replace(level, **change), at=AT) == "changed"


@pytest.mark.parametrize(
    "change",
    [
        {"choices": ["low", "high", "highest"]},
        {"choices": ["none", "low", "middle", "high"]},
        {"name": "Tier", "description": "How high.", "unit": "step", "fail_policy": "open"},
    ],
)
def test_choices_grow_and_what_is_said_of_it_may_change(level: FeatureRow, change: Any) -> None:
    give()

    assert features.upsert(replace(level, **change), at=AT) == "changed"
    assert features.archive(Feature.objects.get(code="level"), at=AT)


def test_the_seed_keeps_what_is_used_and_says_so(level: FeatureRow, at: datetime) -> None:
    give()
    rows, plan_rows = catalog.plans()
    other = replace(level, merge="min", value_type="text", choices=[])

    lines = [seeding.seed_plans(([*rows, other], plan_rows), dry_run=dry, force=True, at=at) for dry in (True, False)]

    told = [[(line.key, line.detail) for line in each if line.kind == "kept"] for each in lines]
    assert told == [[("level", "in use: merge, value_type, choices cannot change any more")]] * 2
    assert Feature.objects.get(code="level").merge == "max"


def change_beside_a_grant() -> tuple[bool, str]:
    """Change the feature while a grant of it is not committed yet. Says whether that waited, and what came of it."""
    features.upsert(LEVEL, at=AT)
    backend: list[int] = []
    over = threading.Event()

    def change() -> str:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                backend.append(cursor.fetchone()[0])
            # Past the verb: the trigger itself must wait.
            Feature.objects.filter(code="level").update(merge="min")
            return "changed"
        except IntegrityError:
            return "refused"
        finally:
            over.set()
            connection.close()

    try:
        with ThreadPoolExecutor(1) as pool:
            with transaction.atomic():
                give()
                changing = pool.submit(change)
                wait_until_blocked(backend, over)
                waited = not over.is_set()
            return waited, changing.result()
    finally:
        _forget()


@pytest.mark.usefixtures("books")
def test_a_change_waits_for_a_grant_that_is_under_way() -> None:
    """Whoever grants holds the feature: the change sees the grant, or comes before it."""
    assert change_beside_a_grant() == (True, "refused")


@pytest.mark.usefixtures("books")
def test_a_grant_that_is_checked_only_at_its_commit_is_overlooked() -> None:
    """The twin."""
    _check_grants("DEFERRABLE INITIALLY DEFERRED")
    try:
        assert change_beside_a_grant() == (False, "changed")
    finally:
        _check_grants("NOT DEFERRABLE")


def _check_grants(when: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT conname FROM pg_constraint WHERE contype = 'f' AND confrelid = 'pricing_feature'::regclass"
            " AND conrelid = 'entitlements_entitlement'::regclass"
        )
        cursor.execute(f"ALTER TABLE entitlements_entitlement ALTER CONSTRAINT {cursor.fetchone()[0]} {when}")


def _forget() -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        for table in ("entitlements_entitlement", "entitlements_award", "pricing_feature"):
            column = "code" if table == "pricing_feature" else "feature_code"
            cursor.execute(f"DELETE FROM {table} WHERE {column} = 'level'")  # noqa: S608 (our own names)


def test_the_seeds_say_what_a_value_may_be(world: None) -> None:
    level, formats = (Feature.objects.get(code=code) for code in ("support_level", "file_formats"))
    version: PlanVersion = plans.for_sale("pro-monthly")
    values = {row.feature_id: row.value for row in plans.features_of(version) if row.value is not None}

    assert (level.value_type, level.choices) == ("enum", ["community", "mail", "priority"])
    assert formats.value_type == "list"
    assert values == {"support_level": "priority", "file_formats": ["csv", "json"]}
