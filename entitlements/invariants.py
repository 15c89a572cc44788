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
        "who_is_in_a_family_is_in_an_open_one",
        "a closed family has nobody in it, so nobody has access by it",
        """
        SELECT 'familymember:' || member.id FROM entitlements_familymember AS member
        JOIN entitlements_family AS family ON family.id = member.family_id
        WHERE member.status = 'active' AND family.closed_at IS NOT NULL
        """,
    ),
    Invariant(
        "an_open_family_has_its_owner_in_it",
        "somebody leads it, and is one of those who share",
        """
        SELECT 'family:' || family.id FROM entitlements_family AS family
        WHERE family.closed_at IS NULL AND NOT EXISTS (
            SELECT FROM entitlements_familymember AS member
            WHERE member.family_id = family.id AND member.user_id = family.owner_id
              AND member.status = 'active' AND member.role = 'owner')
        """,
    ),
    Invariant(
        "a_shared_grant_is_a_member_s",
        "who pays for a family is in it: whoever goes takes his grants with him",
        """
        SELECT 'entitlement:' || given.id FROM entitlements_entitlement AS given
        WHERE given.family_id IS NOT NULL AND given.status IN ('active', 'suspended') AND NOT EXISTS (
            SELECT FROM entitlements_familymember AS member
            WHERE member.family_id::text = given.family_id AND member.user_id = given.user_id
              AND member.status = 'active')
        """,
    ),
    Invariant(
        "a_family_has_its_history",
        "whoever shares can be told since when, and by whom",
        recorded("SELECT id FROM entitlements_family", "family"),
    ),
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
