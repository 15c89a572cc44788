"""What was known of users at a moment that is past: the same for the same moment, whatever is written later.

Grants are read from history, by when a change was written down, and not by when it counts from. Overrides and members
are rows that say themselves when they came and went.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from entitlements.facts import Facts, by_feature, grant_of, rule_of
from events import history
from events.models import Event
from pricing.models import Feature

KIN = """
SELECT DISTINCT kin.user_id FROM entitlements_familymember AS me
JOIN entitlements_familymember AS kin USING (family_id)
WHERE me.user_id = ANY(%(users)s) AND kin.user_id <> ''
"""
# In which family each was. When history tells of it, it was known from then on.
MEMBERS = """
SELECT DISTINCT ON (member.user_id) member.user_id, member.family_id
FROM entitlements_familymember AS member
CROSS JOIN LATERAL (
    SELECT coalesce(min(created_at), member.joined_at) AS at FROM events_event
    WHERE object = 'family:' || member.family_id AND type = 'family.member_joined'
        AND data ->> 'invitation_id' = member.id::text
) AS joined
CROSS JOIN LATERAL (
    SELECT coalesce(min(created_at), member.left_at) AS at FROM events_event
    WHERE member.left_at IS NOT NULL AND object = 'family:' || member.family_id AND created_at >= joined.at
        AND (type = 'family.closed'
            OR type IN ('family.member_removed', 'family.member_left') AND data ->> 'user_id' = member.user_id)
) AS gone
WHERE member.user_id = ANY(%(users)s) AND joined.at <= %(at)s AND (gone.at IS NULL OR gone.at > %(at)s)
ORDER BY member.user_id, joined.at DESC, member.family_id
"""
# What the newest row of history says of each grant, when its status was last moved, and the row for what is not told.
GRANTS = """
WITH told AS (
    SELECT object, type, data, at, sequence FROM events_event
    WHERE subject = ANY(%(subjects)s) AND object LIKE 'entitlement:%%' AND created_at <= %(at)s
), newest AS (
    SELECT DISTINCT ON (object) object, data FROM told ORDER BY object, sequence DESC
), moved AS (
    SELECT DISTINCT ON (object) object, at FROM told
    WHERE type = 'entitlement.created' OR data -> 'before' ? 'status' ORDER BY object, sequence DESC
)
SELECT newest.data, moved.at, to_jsonb(row) || jsonb_build_object('number', version.number)
FROM newest
LEFT JOIN moved USING (object)
JOIN entitlements_entitlement AS row ON row.id = substr(newest.object, 13)::uuid
LEFT JOIN pricing_planversion AS version ON version.id = row.version_id
"""
RULES = """
SELECT to_jsonb(row) || jsonb_build_object('removed_at', CASE WHEN told.gone_at <= %(at)s THEN row.removed_at END)
FROM entitlements_override AS row
CROSS JOIN LATERAL (
    SELECT coalesce(min(created_at), row.created_at) AS came_at,
        CASE WHEN row.removed_at IS NOT NULL AND count(*) > 1 THEN max(created_at) ELSE row.removed_at END AS gone_at
    FROM events_event WHERE object = 'override:' || row.id
) AS told
WHERE row.user_id = ANY(%(users)s) AND told.came_at <= %(at)s
"""


def read_many(user_ids: Sequence[str], *, at: datetime) -> dict[str, Facts]:
    """Return what was known of each user at `at`, by his id. `at` must be past, by the database's clock.

    It waits for whoever is writing of them, so that nothing can still come to stand before `at`.
    """
    # Whoever was ever in a family with one of them: what he pays for may be shared.
    kin = {user_id for (user_id,) in _select(KIN, users=list(user_ids))} | set(user_ids)
    history.settle([history.user(user_id) for user_id in kin])
    families = dict(_select(MEMBERS, users=list(user_ids), at=at))
    grants = _grants(kin, at)
    rules = _rules(user_ids, at)
    found = {}
    for user_id in user_ids:
        family_id = families.get(user_id)
        mine = [row for row in grants if row["user_id"] == user_id or _is_shared(row, family_id)]
        said = [row for row in rules if row["user_id"] == user_id]
        found[user_id] = Facts(user_id, 0, 0, family_id, by_feature(mine, grant_of), by_feature(said, rule_of))
    return found


def catalog(*, at: datetime) -> Callable[[int], Mapping[str, Feature]]:
    """Return the features as they were at `at`: those of now, and every later change of them taken back."""
    history.settle([f"feature:{code}" for code in Feature.objects.values_list("code", flat=True)])
    found = {feature.code: feature for feature in Feature.objects.filter(created_at__lte=at)}
    later = Event.objects.filter(object__in=[f"feature:{code}" for code in found], created_at__gt=at)
    for event in later.order_by("-sequence"):
        feature = found[event.object.removeprefix("feature:")]
        before = event.data.get("before") or {"archived_at": None}
        for column in Feature._meta.concrete_fields:
            if column.attname in before:
                setattr(feature, column.attname, column.to_python(before[column.attname]))
    return lambda _epoch: found


def _is_shared(row: Mapping[str, Any], family_id: UUID | None) -> bool:
    return family_id is not None and row["family_id"] == str(family_id)


def _grants(user_ids: Collection[str], at: datetime) -> list[dict[str, Any]]:
    subjects = [history.user(user_id) for user_id in user_ids]
    rows = _select(GRANTS, subjects=subjects, at=at)
    return [_as_told(json.loads(data), moved_at, json.loads(row)) for data, moved_at, row in rows]


def _as_told(data: Mapping[str, Any], moved_at: datetime | None, row: Mapping[str, Any]) -> dict[str, Any]:
    # What named a person became a commitment, which says nothing here.
    plain = {name: said for name, said in data.items() if not (isinstance(said, dict) and "commitment" in said)}
    moved = {"status_at": moved_at.isoformat()} if moved_at else {}
    return {**row, **plain, **moved, "number": data.get("version", row["number"])}


def _rules(user_ids: Sequence[str], at: datetime) -> list[dict[str, Any]]:
    return [json.loads(row) for (row,) in _select(RULES, users=list(user_ids), at=at)]


def _select(statement: str, **said: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, said)
        return list(cursor.fetchall())
