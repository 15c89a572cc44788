"""The verbs of features: add, change, archive."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from events import history
from pricing.errors import FeatureInUse
from pricing.models import Feature

# What never changes once somebody had or bought the feature; of choices only more.
LASTING = ("kind", "merge", "consumable", "value_type", "choices")
FIELDS = ("name", "description", "kind", "unit", "merge", "consumable", "value_type", "choices", "fail_policy")


@dataclass(frozen=True, slots=True)
class FeatureRow:
    """What a feature should be."""

    code: str
    name: str
    kind: str
    description: str = ""
    unit: str = ""
    merge: str = Feature.Merge.MAX
    consumable: bool = True
    value_type: str = Feature.ValueType.TEXT
    choices: list[str] = field(default_factory=list)
    fail_policy: str = Feature.FailPolicy.CLOSED


def values_of(feature: Feature | FeatureRow) -> dict[str, Any]:
    """Return what can be compared and changed of a feature."""
    return {name: getattr(feature, name) for name in FIELDS}


@transaction.atomic
def upsert(row: FeatureRow, *, at: datetime) -> str:
    """Add or change a feature, and say added, changed or unchanged. May be repeated. Raises FeatureInUse."""
    after = values_of(row)
    feature, added = Feature.objects.select_for_update().get_or_create(code=row.code, defaults=after)
    before = None if added else values_of(feature)
    if before == after:
        return "unchanged"
    if not added:
        _write(row, before or {}, after)
    kind = "added" if added else "changed"
    _record(f"feature.{kind}", row.code, at, {"before": before, "after": after})
    return kind


def _write(row: FeatureRow, before: dict[str, Any], after: dict[str, Any]) -> None:
    try:
        with transaction.atomic():
            Feature.objects.filter(code=row.code).update(**after, updated_at=Now())
    except IntegrityError as refused:
        # Who was granted it only the database sees from here: its trigger decides.
        if getattr(refused.__cause__, "sqlstate", "") != "23001":
            raise
        raise FeatureInUse(row.code, [name for name in LASTING if before[name] != after[name]]) from None


@transaction.atomic
def archive(feature: Feature, *, at: datetime) -> bool:
    """Stop offering a feature, and say whether this call did it. Sold versions keep it. May be repeated."""
    if not Feature.objects.filter(pk=feature.pk, archived_at=None).update(archived_at=at, updated_at=Now()):
        return False
    _record("feature.archived", feature.pk, at, {"before": None, "after": {"archived_at": at.isoformat()}})
    return True


def _record(type: str, code: str, at: datetime, data: dict[str, Any]) -> None:
    history.record(type, subject=f"feature:{code}", object=f"feature:{code}", at=at, data=data)
