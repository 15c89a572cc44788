"""The rules of access that hold across rows, and what the rules of billing may read of grants, as SQL."""

from __future__ import annotations

from django.db import connection

from events.invariants import Invariant, recorded

# Every grant. `subscription_id` is Stripe's.
GRANTS = """
    SELECT id, user_id, source_type, source_id, subscription_id, feature_code, status, reason
    FROM entitlements_entitlement
"""
# Those that give access now.
IN_FORCE = f"""
    {GRANTS} WHERE status = 'active' AND starts_at <= now() AND coalesce(grace_until, ends_at, 'infinity') > now()
"""

# What events and reservations say of each counter; a member's share counts his own.
PAID = """
    SELECT part.id, whose.user_id, sum(part.units) AS units
    FROM {table} AS whose CROSS JOIN LATERAL unnest(whose.counters, whose.shares) AS part (id, units)
    WHERE {which} GROUP BY part.id, whose.user_id
"""
# `said` is the counter's column.
UNEQUAL = """
    SELECT 'counter:' || counter.id FROM entitlements_usagecounter AS counter
    JOIN entitlements_usagecounter AS whole
        ON whole.subject = counter.subject AND whole.feature_code = counter.feature_code
        AND whole.pool IS NOT DISTINCT FROM counter.pool AND whole.period_start = counter.period_start
        AND whole.member = ''
    LEFT JOIN ({paid}) AS paid
        ON paid.id = whole.id AND (counter.member = '' OR counter.member = paid.user_id)
    GROUP BY counter.id HAVING counter.{said} <> coalesce(sum(paid.units), 0)
"""
USED = UNEQUAL.format(said="used", paid=PAID.format(table="entitlements_usageevent", which="true"))
HELD = UNEQUAL.format(
    said="reserved", paid=PAID.format(table="entitlements_reservation", which="whose.status = 'held'")
)

ALL = (
    Invariant(
        "what_was_used_is_what_was_recorded",
        "a counter that is not the sum of its events lets through too much, or too little",
        USED,
    ),
    Invariant(
        "what_is_reserved_is_what_is_held",
        "units that nobody holds would never come back",
        HELD,
    ),
    Invariant(
        "no_counter_is_above_its_ceiling",
        "a hard limit is passed by nobody",
        """
        SELECT 'counter:' || id FROM entitlements_usagecounter
        WHERE used < 0 OR reserved < 0 OR used + reserved > ceiling
        """,
    ),
    Invariant(
        "a_grant_has_its_history",
        "whoever was given access can be told when and why",
        recorded(GRANTS, "entitlement"),
    ),
)


def sources_in_force() -> int:
    """Count what gives access now: subscriptions, purchases, decisions of staff."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(DISTINCT (source_type, source_id)) FROM ({IN_FORCE}) AS given")
        (count,) = cursor.fetchone()
    return int(count)
