"""The tables that tests write with real commits."""

from __future__ import annotations

import contextlib
from functools import cache

import redis
from django.apps import apps
from django.conf import settings
from django.db import connection, transaction

from billing import invariants
from entitlements import facts, snapshot
from pricing import catalog

OURS = ("events", "keys", "entitlements", "billing")
MIRROR = (
    "Customer",
    "Product",
    "Price",
    "PaymentMethod",
    "PaymentIntent",
    "Charge",
    "Refund",
    "Subscription",
    "Invoice",
)


POINTING = """
    WITH RECURSIVE named AS (
        SELECT oid FROM pg_class WHERE relname = ANY(%s) AND relnamespace = 'public'::regnamespace
        UNION
        SELECT conrelid FROM pg_constraint JOIN named ON confrelid = named.oid WHERE contype = 'f'
    )
    SELECT relname FROM named JOIN pg_class USING (oid) ORDER BY relname
"""
# Plans and features that a test made.
STRANGERS = """
    DELETE FROM pricing_planfeature AS included USING pricing_planversion AS version
    WHERE version.id = included.version_id AND version.plan_id <> ALL(%(plans)s);
    DELETE FROM pricing_planversion WHERE plan_id <> ALL(%(plans)s);
    DELETE FROM pricing_plan WHERE id <> ALL(%(plans)s);
    DELETE FROM pricing_feature WHERE code <> ALL(%(features)s);
"""
STAFF = ("auth.User", "sessions.Session", "config.Authenticator", "axes.AccessAttempt")


def empty() -> None:
    """Empty what a purchase writes, and who works here. Plans and zones stay as seeded, and none of them is sold.

    Not by TRUNCATE, which makes a new file of each table: rows are few here. The triggers that keep them are off.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("; ".join(f'DELETE FROM "{table}"' for table in _tables()))
        cursor.execute("UPDATE pricing_planversion SET sold_at = NULL WHERE sold_at IS NOT NULL")
        cursor.execute(STRANGERS, seeded())
    forget_snapshots()


def forget_snapshots() -> None:
    """Forget what was kept near of users: their versions begin anew, and nobody announced it."""
    snapshot.forget()
    snapshot.memory.catalog = 0
    facts._features = (-1, {})
    with contextlib.suppress(redis.RedisError), redis.Redis.from_url(settings.REDIS_URL) as valkey:
        if keys := valkey.keys(f"{settings.APP_NAME}:facts:*"):
            valkey.delete(*keys)


@cache
def seeded() -> dict[str, list[str]]:
    """Return the plans and features of the seed."""
    features, plans = catalog.plans()
    return {"plans": [row.id for row in plans], "features": [row.code for row in features]}


@cache
def _tables() -> list[str]:
    """Return the tables to empty, and all that point at them."""
    models = [model for app in OURS for model in apps.get_app_config(app).get_models()]
    models += [apps.get_model("djstripe", name) for name in (*MIRROR, "Session", "SubscriptionItem")]
    models += [apps.get_model("pricing", name) for name in ("Quote", "ZoneImport")]
    models += [apps.get_model(name) for name in STAFF]
    with connection.cursor() as cursor:
        cursor.execute(POINTING, [[model._meta.db_table for model in models]])
        return [table for (table,) in cursor.fetchall()]


def require_whole() -> None:
    """Fail by the name of what does not hold between money, access and history."""
    broken = invariants.broken()
    assert not broken, "\n".join(f"{rule.name} ({rule.why}): {rows}" for rule, rows in broken.items())


def forget_plan(plan_id: str) -> None:
    """Remove a plan that a test sold: the triggers that keep sold versions are off for that moment."""
    versions = "SELECT id FROM pricing_planversion WHERE plan_id = %s"
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(f"DELETE FROM pricing_planfeature WHERE version_id IN ({versions})", [plan_id])
        cursor.execute("DELETE FROM pricing_planversion WHERE plan_id = %s", [plan_id])
        cursor.execute("DELETE FROM pricing_plan WHERE id = %s", [plan_id])
