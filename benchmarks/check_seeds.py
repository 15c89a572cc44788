"""Users with a plan, by COPY: five grants each, as a purchase of it makes them."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg

PLAN = "pro-monthly"
TERMS = """
    SELECT feature.feature_id, version.id, coalesce(feature.period, ''), feature."limit", feature.soft, feature.value
    FROM pricing_planfeature AS feature JOIN pricing_planversion AS version ON version.id = feature.version_id
    WHERE version.plan_id = %s ORDER BY 1
"""
COLUMNS = (
    'id, status, status_at, user_id, source_type, source_id, subscription_id, granted_at, starts_at, ends_at, "limit",'
    " period, soft, value, reason, metadata, feature_code, plan_id, version_id, anchor, time_zone, warn_at, priority"
)
# A database that was copied into has every epoch of its users, as its triggers would have made them.
EPOCHS = """
    INSERT INTO entitlements_epoch (user_id, version)
    SELECT DISTINCT user_id, 1 FROM entitlements_entitlement ON CONFLICT DO NOTHING
"""


def user(number: int) -> str:
    """Name a user."""
    return f"user-{number:08d}"


def fill(url: str, *, users: int, first: int = 0) -> int:
    """Give so many users the plan, and return how many rows that made."""
    with psycopg.connect(url, autocommit=True) as connection:
        terms = connection.execute(TERMS, [PLAN]).fetchall()
        # The copy is of rows that were whole before: no trigger needs to look at each.
        connection.execute("SET session_replication_role = replica")
        with connection.cursor() as cursor, cursor.copy(f"COPY entitlements_entitlement ({COLUMNS}) FROM STDIN") as out:
            for row in _rows(terms, range(first, first + users)):
                out.write_row(row)
        connection.execute(EPOCHS)
        connection.execute("VACUUM ANALYZE entitlements_entitlement, entitlements_epoch")
    return users * len(terms)


def _rows(terms: list[tuple[Any, ...]], numbers: range) -> Iterator[tuple[Any, ...]]:
    now = datetime.now(UTC)
    start, end = now - timedelta(days=3), now + timedelta(days=27)
    for number, (place, term) in itertools.product(numbers, enumerate(terms)):
        feature, version, period, limit, soft, value = term
        yield (
            *(UUID(int=number * 8 + place + 1), "active", start, user(number)),
            *("subscription", f"subscription-{number:08d}", f"sub_{number:08d}", start, start, end),
            *(limit, period, soft, None if value is None else json.dumps(value), "", "{}"),
            *(feature, PLAN, version, "billing", "UTC", "[80, 100]", 0),
        )


def uniform(users: int, count: int) -> list[int]:
    """Name users, each as likely as the other."""
    chosen = random.Random(1)
    return [chosen.randrange(users) for _ in range(count)]


def zipf(users: int, count: int) -> list[int]:
    """Name users, the second half as often as the first, the third a third as often, and so on."""
    weights = list(itertools.accumulate(1 / (place + 1) for place in range(users)))
    return random.Random(1).choices(range(users), cum_weights=weights, k=count)
