"""May this user use this feature now? One query, no network, and no job that must have run before."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import groupby
from typing import Any

from django.db.models import FilteredRelation, Q, QuerySet

from entitlements.decisions import Decision, decide
from entitlements.errors import NegativeRequest
from entitlements.spans import Grant
from pricing.models import Feature

FEATURE = ("code", "kind", "merge", "consumable", "archived_at")
# Each field of Grant, and where it is found.
GRANT = {name: f"mine__{name}" for name in Grant.__slots__} | {"version": "mine__version__number"}


def check(user_id: str, feature_code: str, *, at: datetime, requested: int = 1) -> Decision:
    """Decide whether the user may use `requested` units of the feature at `at` (EN-03).

    A moment in the past is answered from what is stored now, one in the future from what is known now. A feature that
    does not exist is a decision too. Raises NegativeRequest.
    """
    if requested < 0:
        raise NegativeRequest(requested)
    rows = _rows(user_id, code=feature_code)
    feature = _feature(rows[0]) if rows else None
    return decide(user_id, feature_code, feature, _grants(rows), at=at, requested=requested)


def effective(user_id: str, *, at: datetime) -> list[Decision]:
    """Decide for each feature that the user was ever granted, by feature code: what he has at `at` in one answer."""
    by_feature = groupby(_rows(user_id, mine__isnull=False), key=lambda row: row["code"])
    owned = [(code, list(rows)) for code, rows in by_feature]
    return [decide(user_id, code, _feature(rows[0]), _grants(rows), at=at) for code, rows in owned]


def _rows(user_id: str, **wanted: Any) -> list[dict[str, Any]]:
    return list(_query(user_id, **wanted).values(*FEATURE, *GRANT.values()))


def _query(user_id: str, **wanted: Any) -> QuerySet[Feature]:
    """Read features, each with the user's grants of it: one row a grant, or one row without."""
    mine = FilteredRelation("entitlements", condition=Q(entitlements__user_id=user_id))
    features: QuerySet[Feature] = Feature.objects.annotate(mine=mine).filter(**wanted).order_by("code", "mine__id")
    return features


def _feature(row: dict[str, Any]) -> Feature:
    return Feature(**{name: row[name] for name in FEATURE})


def _grants(rows: Iterable[dict[str, Any]]) -> list[Grant]:
    return [Grant(**{name: row[path] for name, path in GRANT.items()}) for row in rows if row["mine__id"] is not None]
