"""What was used: the counters of pools, read from the only truth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from django.db import connection

from entitlements.pools import Key, Tallies, Tally

# What is held beyond its end is left for others, whether or not that is written down yet. A member's share holds what
# he himself reserved.
READ = """
    SELECT wanted.place, counter.used, counter.reserved - CASE WHEN counter.reserved = 0 THEN 0 ELSE coalesce((
        SELECT sum(part.units) FROM entitlements_reservation AS due
        CROSS JOIN LATERAL unnest(due.counters, due.shares) AS part (id, units)
        JOIN entitlements_usagecounter AS whole ON whole.id = part.id
        WHERE due.status = 'held' AND due.expires_at <= %(at)s AND due.feature_code = counter.feature_code
            AND whole.subject = counter.subject AND whole.pool IS NOT DISTINCT FROM counter.pool
            AND whole.period_start = counter.period_start AND counter.member IN ('', due.user_id)
    ), 0)::bigint END, counter.rolled
    FROM unnest(%(subjects)s::text[], %(features)s::text[], %(pools)s::uuid[], %(members)s::text[],
            %(starts)s::timestamptz[])
        WITH ORDINALITY AS wanted (subject, feature, pool, member, start, place)
    JOIN entitlements_usagecounter AS counter
        ON counter.subject = wanted.subject AND counter.feature_code = wanted.feature
        AND counter.pool IS NOT DISTINCT FROM wanted.pool
        AND counter.member = wanted.member AND counter.period_start = wanted.start
"""
# When what is held of these counters is left for others, the nearest first.
ENDS = """
    SELECT DISTINCT held.expires_at FROM entitlements_reservation AS held
    WHERE held.status = 'held' AND held.expires_at > %(at)s AND held.feature_code = ANY(%(features)s)
        AND held.counters && ARRAY(
            SELECT counter.id
            FROM unnest(%(subjects)s::text[], %(features)s::text[], %(pools)s::uuid[], %(members)s::text[],
                    %(starts)s::timestamptz[]) AS wanted (subject, feature, pool, member, start)
            JOIN entitlements_usagecounter AS counter
                ON counter.subject = wanted.subject AND counter.feature_code = wanted.feature
                AND counter.pool IS NOT DISTINCT FROM wanted.pool
                AND counter.member = wanted.member AND counter.period_start = wanted.start)
    ORDER BY held.expires_at LIMIT %(most)s
"""
COLUMNS = ("subjects", "features", "pools", "members", "starts")


def read(keys: Sequence[Key], *, at: datetime) -> Tallies:
    """Return what each counter says at `at`, in one query; one that is missing is 0, and not in the answer."""
    with connection.cursor() as cursor:
        cursor.execute(READ, {**_columns(keys), "at": at})
        return {keys[place - 1]: Tally(used, reserved, rolled) for place, used, reserved, rolled in cursor.fetchall()}


def counting(*, at: datetime) -> Callable[[Sequence[Key]], Tallies]:
    """Return what reads counters as they are, for an answer of `at`: now, or a moment to come."""
    return partial(read, at=at)


def ends_of_holds(keys: Sequence[Key], *, at: datetime, most: int) -> list[datetime]:
    """Return when what is held of these counters after `at` ends: the nearest dates, at most so many."""
    with connection.cursor() as cursor:
        cursor.execute(ENDS, {**_columns(keys), "at": at, "most": most})
        return [date for (date,) in cursor.fetchall()]


def _columns(keys: Sequence[Key]) -> dict[str, list[Any]]:
    return {name: list(column) for name, column in zip(COLUMNS, zip(*keys, strict=True), strict=True)}
