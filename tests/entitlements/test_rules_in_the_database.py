"""Rules that hold for psql and `update()` too."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, transaction

from entitlements import grants
from entitlements.models import Entitlement, UsageEvent
from events.moves import guard
from tests.entitlements.conftest import DAY, SUBSCRIPTION, T0, a_version

Status = Entitlement.Status
REFUSED = [(old, new) for old in Status for new in Status if old != new and new not in Entitlement.NEXT[old]]


@pytest.fixture
def row(db: None) -> Entitlement:
    version = a_version({"calls": {"limit": 5, "period": "month"}})
    return grants.grant("ann", version, source=SUBSCRIPTION, starts_at=T0, ends_at=T0 + DAY, at=T0)[0]


def change(row: Entitlement, **fields: Any) -> None:
    with transaction.atomic():
        Entitlement.objects.filter(pk=row.pk).update(**fields)


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"ends_at": T0 - DAY}, "entitlement_ends_after_start"),
        ({"grace_until": T0}, "entitlement_grace_after_end"),
        ({"ends_at": None, "grace_until": T0 + DAY}, "entitlement_grace_after_end"),
        ({"limit": -1}, "entitlement_limit_not_negative"),
        ({"source_type": "gift"}, "entitlement_source_type"),
        ({"source_id": ""}, "entitlement_has_source_and_user"),
        ({"user_id": ""}, "entitlement_has_source_and_user"),
        ({"reason": "because"}, "entitlement_reason"),
        ({"period": "fortnight"}, "entitlement_period"),
        ({"status": "frozen"}, "no such status frozen"),
    ],
)
def test_a_row_that_breaks_a_rule_is_refused(row: Entitlement, fields: dict[str, Any], rule: str) -> None:
    with pytest.raises(IntegrityError, match=rule):
        change(row, **fields)


def test_a_source_cannot_grant_a_feature_to_a_user_twice(row: Entitlement) -> None:
    twin = Entitlement.objects.get()
    twin.pk = Entitlement._meta.pk.get_default()
    twin._state.adding = True

    with pytest.raises(IntegrityError, match="one_entitlement_per_source"), transaction.atomic():
        twin.save(force_insert=True)

    assert Entitlement.objects.count() == 1


@pytest.mark.parametrize(("old", "new"), REFUSED)
def test_a_move_outside_the_table_is_refused_in_python_and_in_the_database(
    row: Entitlement, old: Status, new: Status
) -> None:
    if old != Status.ACTIVE:
        row.move_to(old, at=T0)

    moved = row.move_to(new, at=T0)

    assert moved is False
    with pytest.raises(IntegrityError, match=f"{old} cannot become {new}"):
        change(row, status=new)


def test_the_trigger_is_made_from_the_table_of_the_model() -> None:
    from importlib import import_module

    migration = import_module("entitlements.migrations.0002_status_moves_guarded")

    made = guard("entitlements_entitlement", Entitlement.NEXT)

    assert migration.Migration.operations[0].sql == made.sql


def test_a_use_of_what_is_no_feature_is_refused(db: None) -> None:
    """By the statement that writes it, wherever its row stands there."""
    a_version({"calls": {"limit": 5, "period": "month"}})
    uses = [a_use("e-1", "calls"), a_use("e-2", "nothing"), a_use("e-3", "calls")]

    with pytest.raises(IntegrityError, match="there is no feature nothing"), transaction.atomic():
        UsageEvent.objects.bulk_create(uses)

    assert UsageEvent.objects.count() == 0


def a_use(event_id: str, feature_code: str) -> UsageEvent:
    said = {"principal": "service:app", "event_id": event_id, "user_id": "ann", "units": 1}
    return UsageEvent(feature_id=feature_code, at=T0, recorded_at=T0, **said)
