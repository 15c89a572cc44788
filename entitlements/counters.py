"""What was used: the counters of pools, read from the only truth."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import connection

from entitlements.pools import Key, Tallies, Tally

READ = """
    SELECT wanted.place, counter.used, counter.reserved, counter.rolled
    FROM unnest(%s::text[], %s::text[], %s::uuid[], %s::text[], %s::timestamptz[])
        WITH ORDINALITY AS wanted (subject, feature, pool, member, start, place)
    JOIN entitlements_usagecounter AS counter
        ON counter.subject = wanted.subject AND counter.feature_code = wanted.feature
        AND counter.pool IS NOT DISTINCT FROM wanted.pool
        AND counter.member = wanted.member AND counter.period_start = wanted.start
"""


def read(keys: Sequence[Key]) -> Tallies:
    """Return what each counter says, in one query; one that is missing is 0, and not in the answer."""
    with connection.cursor() as cursor:
        cursor.execute(READ, [list(column) for column in zip(*keys, strict=True)])
        return {keys[place - 1]: Tally(used, reserved, rolled) for place, used, reserved, rolled in cursor.fetchall()}
