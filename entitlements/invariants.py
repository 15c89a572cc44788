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

ALL = (
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
