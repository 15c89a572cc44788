"""Users with a plan, by COPY: a grant of each of its features, as a purchase of it makes them."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

# A plan, and how many grants its purchase makes.
PLAN, GRANTS = "pro-monthly", 6
TERMS = """
    SELECT feature.feature_id, version.id, coalesce(feature.period, ''), feature."limit", feature.soft, feature.value
    FROM pricing_planfeature AS feature JOIN pricing_planversion AS version ON version.id = feature.version_id
    WHERE version.plan_id = %s ORDER BY 1
"""
# A purchase does.
SOLD = "UPDATE pricing_planversion SET sold_at = now() WHERE plan_id = %s AND sold_at IS NULL"
COLUMNS = (
    'id, status, status_at, user_id, source_type, source_id, subscription_id, granted_at, starts_at, ends_at, "limit",'
    " period, soft, value, reason, metadata, feature_code, plan_id, version_id, anchor, time_zone, warn_at, priority"
)


def user(number: int) -> str:
    """Name a user."""
    return f"user-{number:08d}"


def fill(url: str, *, users: int, first: int = 0) -> int:
    """Give so many users the plan, and return how many rows that made."""
    with psycopg.connect(url, autocommit=True) as connection:
        terms = connection.execute(TERMS, [PLAN]).fetchall()
        connection.execute(SOLD, [PLAN])
        # The copy is of rows that were whole before: no trigger needs to look at each.
        connection.execute("SET session_replication_role = replica")
        numbers = range(first, first + users)
        with connection.cursor() as cursor:
            with cursor.copy(f"COPY entitlements_entitlement ({COLUMNS}) FROM STDIN") as out:
                for lines in _lines(terms, numbers):
                    out.write(lines)
            # Every epoch of its users, as the triggers would have made them.
            with cursor.copy("COPY entitlements_epoch (user_id, version) FROM STDIN") as out:
                for number in numbers:
                    out.write(f"{user(number)}\t1\n")
        connection.execute("VACUUM ANALYZE entitlements_entitlement, entitlements_epoch")
    return users * len(terms)


def _lines(terms: list[tuple[Any, ...]], numbers: range) -> Iterator[str]:
    """Write the rows of one user after the other as text: a driver that turns each value into one takes minutes."""
    now = datetime.now(UTC)
    start, end = now - timedelta(days=3), now + timedelta(days=27)
    head, middle = f"active\t{start}\t", f"\t{start}\t{start}\t{end}\t"
    tails = []
    for feature, version, period, limit, soft, value in terms:
        said = None if value is None else json.dumps(value)
        row = (limit, period, soft, said, "", "{}", feature, PLAN, version, "billing", "UTC", "[80, 100]", 0)
        tails.append(middle + "\t".join(_text(each) for each in row) + "\n")
    for number in numbers:
        who = f"{user(number)}\tsubscription\tsubscription-{number:08d}\tsub_{number:08d}"
        yield "".join(f"{number * 8 + place + 1:032x}\t{head}{who}{tail}" for place, tail in enumerate(tails))


def _text(value: object) -> str:
    return "\\N" if value is None else str(value).replace("\\", "\\\\")


def uniform(users: int, count: int) -> list[int]:
    """Name users, each as likely as the other."""
    chosen = random.Random(1)
    return [chosen.randrange(users) for _ in range(count)]


def zipf(users: int, count: int) -> list[int]:
    """Name users, the second half as often as the first, the third a third as often, and so on."""
    weights = list(itertools.accumulate(1 / (place + 1) for place in range(users)))
    return random.Random(1).choices(range(users), cum_weights=weights, k=count)
