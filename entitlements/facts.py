"""What is known of one user: his grants, his family's, and staff's overrides. One indexed query, never counters."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from entitlements.rules import Rule
from entitlements.spans import Grant
from pricing.models import Feature

Grants = Mapping[str, tuple[Grant, ...]]
Rules = Mapping[str, tuple[Rule, ...]]


@dataclass(frozen=True, slots=True)
class Facts:
    """By feature code. `version` and `catalog` are the epochs that they were read at.

    `purses` remember what was worked out of these facts, and are forgotten with them.
    """

    user_id: str
    version: int
    catalog: int
    family_id: UUID | None
    grants: Grants
    rules: Rules
    purses: dict[str, Any] = field(default_factory=dict, init=False, compare=False, repr=False)


# A family's grants come with its active members; a grant's own user has it by his id.
READ = """
WITH family AS (
    SELECT family_id FROM entitlements_familymember WHERE user_id = %(user)s AND status = 'active'
), mine AS (
    SELECT * FROM entitlements_entitlement WHERE user_id = %(user)s
    UNION ALL
    SELECT entitlement.* FROM entitlements_entitlement AS entitlement
    WHERE family_id = (SELECT family_id::text FROM family) AND user_id <> %(user)s
)
SELECT
    coalesce((SELECT version FROM entitlements_epoch WHERE user_id = %(user)s), 0),
    coalesce((SELECT version FROM entitlements_epoch WHERE user_id = ''), 0),
    (SELECT family_id FROM family),
    (SELECT jsonb_agg(to_jsonb(mine) || jsonb_build_object('number', version.number))
     FROM mine LEFT JOIN pricing_planversion AS version ON version.id = mine.version_id),
    (SELECT jsonb_agg(to_jsonb(rule)) FROM entitlements_override AS rule WHERE user_id = %(user)s)
"""
READ_MANY = f"""
SELECT who.id, found.*
FROM unnest(%(users)s::text[]) AS who (id)
CROSS JOIN LATERAL ({READ.replace("%(user)s", "who.id")}) AS found
"""  # noqa: S608 (of our own words)
MOMENTS = ("status_at", "granted_at", "starts_at", "ends_at", "grace_until", "created_at", "removed_at")


def read(user_id: str) -> Facts:
    """Read what is known of the user now."""
    with connection.cursor() as cursor:
        cursor.execute(READ, {"user": user_id})
        return _facts(user_id, *cursor.fetchone())


def read_many(user_ids: Sequence[str]) -> dict[str, Facts]:
    """Read what is known of each user now, by his id, in one query."""
    with connection.cursor() as cursor:
        cursor.execute(READ_MANY, {"users": list(user_ids)})
        return {user_id: _facts(user_id, *row) for user_id, *row in cursor.fetchall()}


def _facts(
    user_id: str,
    version: int,
    catalog: int,
    family_id: UUID | None,
    grants: str | None,
    rules: str | None,
) -> Facts:
    return Facts(
        user_id,
        version,
        catalog,
        family_id,
        by_feature(json.loads(grants or "[]"), grant_of),
        by_feature(json.loads(rules or "[]"), rule_of),
    )


def grant_of(row: Mapping[str, Any]) -> Grant:
    """Make a grant of a row as Postgres writes it in JSON."""
    moments = _moments(row)
    return Grant(
        id=UUID(row["id"]),
        source_type=row["source_type"],
        source_id=row["source_id"],
        plan_id=row["plan_id"],
        version=row["number"],
        status=row["status"],
        status_at=moments["status_at"],
        reason=row["reason"],
        granted_at=moments["granted_at"],
        starts_at=moments["starts_at"],
        ends_at=moments["ends_at"],
        grace_until=moments["grace_until"],
        limit=row["limit"],
        period=row["period"],
        soft=row["soft"],
        value=row["value"],
        anchor=row["anchor"],
        time_zone=row["time_zone"],
        warn_at=tuple(row["warn_at"]),
        rollover_max=row["rollover_max"],
        member_cap=row["member_cap"],
        priority=row["priority"],
        user_id=row["user_id"],
        family_id=UUID(row["family_id"]) if row["family_id"] else None,
    )


def rule_of(row: Mapping[str, Any]) -> Rule:
    """Make an override of a row as Postgres writes it in JSON."""
    moments = _moments(row)
    return Rule(
        id=UUID(row["id"]),
        effect=row["effect"],
        value=row["value"],
        limit=row["limit"],
        operation=row["operation"],
        starts_at=moments["starts_at"],
        ends_at=moments["ends_at"],
        created_at=moments["created_at"],
        removed_at=moments["removed_at"],
    )


def _moments(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: datetime.fromisoformat(row[name]) if row[name] else None for name in MOMENTS if name in row}


def by_feature(
    rows: Sequence[Mapping[str, Any]], made: Callable[[Mapping[str, Any]], Any]
) -> dict[str, tuple[Any, ...]]:
    """Make a grant or an override of each row, by feature code."""
    found: dict[str, list[Any]] = {}
    for row in rows:
        found.setdefault(row["feature_code"], []).append(made(row))
    return {code: tuple(each) for code, each in found.items()}


_features: tuple[int, Mapping[str, Feature]] = (-1, {})


def knows(catalog: int) -> bool:
    """Say whether the features of this version of the catalog are remembered here."""
    return _features[0] == catalog


def features(catalog: int) -> Mapping[str, Feature]:
    """Return every feature by its code, remembered until the catalog's epoch is another."""
    global _features
    if _features[0] != catalog:
        _features = (catalog, {feature.code: feature for feature in Feature.objects.all()})
    return _features[1]
