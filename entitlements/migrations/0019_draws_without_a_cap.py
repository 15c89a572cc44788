"""Let a member without a cap use what is shared, and count no unit twice that has moved on to the next period."""

from importlib import import_module

from django.db import migrations

BEFORE = import_module("entitlements.migrations.0011_draw_units")


def again(sql: str, name: str, *changes: tuple[str, str]) -> str:
    """Define a function anew with each part replaced."""
    start = sql.index(f"CREATE FUNCTION {name}(")
    body = sql[start : sql.index("END $$;", start)] + "END $$;\n"
    for old, new in changes:
        if body.count(old) != 1:
            raise ValueError(f"{name} has no {old!r}")
        body = body.replace(old, new)
    return body.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")


# GREATEST leaves NULL out, so that without a cap nothing was left of the member's share.
NO_CAP = ("IF p_shares[i] > 0 THEN\n            v_room", "IF p_sizes[p_shares[i]] IS NOT NULL THEN\n            v_room")
# What moves on is no longer left where it came from, for corrections too.
MOVED_ON = (
    ("        INSERT INTO entitlements_usagecounter", "        WITH made AS (INSERT INTO entitlements_usagecounter"),
    (
        "        ON CONFLICT DO NOTHING;",
        """        ON CONFLICT DO NOTHING
        RETURNING feature_code, subject, pool, member, period_start, rolled)
        UPDATE entitlements_usagecounter AS old
        SET ceiling = greatest(old.ceiling - made.rolled, old.used + old.reserved)
        FROM made JOIN unnest(p_features, p_subjects, p_pools, p_members, p_starts, p_befores)
            AS wanted (feature, subject, pool, member, start, before)
            ON made.subject = wanted.subject AND made.feature_code = wanted.feature AND made.pool = wanted.pool
            AND made.member = wanted.member AND made.period_start = wanted.start
        WHERE made.rolled > 0 AND old.ceiling IS NOT NULL
            AND old.subject = wanted.subject AND old.feature_code = wanted.feature AND old.pool = wanted.pool
            AND old.member = wanted.member AND old.period_start = wanted.before;""",
    ),
)
# What is over by the clock is over for a release too, whether or not a job has written it down yet.
SETTLE = (
    "WHEN 'committed' THEN expires_at > p_now WHEN 'expired' THEN expires_at <= p_now ELSE true END",
    "WHEN 'expired' THEN expires_at <= p_now ELSE expires_at > p_now END",
)
CORRECT = (
    ("    v_full boolean;", "    v_full boolean; v_due uuid[]; v_locked uuid[]; v_id uuid;"),
    (
        "    PERFORM entitlements_lock(entitlements_with_member(meant.counters, meant.user_id));\n",
        """    -- What should be free already is freed here: nobody waits for a job.
    SELECT array_agg(due.id), array_agg(part.id) INTO v_due, v_locked
    FROM entitlements_reservation AS due
    CROSS JOIN LATERAL unnest(entitlements_with_member(due.counters, due.user_id)) AS part (id)
    WHERE due.status = 'held' AND due.expires_at <= p_now AND due.counters && meant.counters;
    PERFORM entitlements_lock(entitlements_with_member(meant.counters, meant.user_id) || v_locked);
    FOR v_id IN SELECT DISTINCT unnest(v_due) LOOP
        PERFORM entitlements_settle(v_id, 'expired', 0, p_now, NULL, NULL, NULL);
    END LOOP;
""",
    ),
    # A member's share is not given back twice either.
    (
        "            JOIN entitlements_usagecounter AS counter USING (id) WHERE counter.used + change.units < 0)",
        """            CROSS JOIN LATERAL unnest(entitlements_with_member(ARRAY[change.id], meant.user_id)) AS part (id)
            JOIN entitlements_usagecounter AS counter ON counter.id = part.id WHERE counter.used + change.units < 0)""",
    ),
)


class Migration(migrations.Migration):
    dependencies = [("entitlements", "0018_features_of_uses_are_asked_once")]

    operations = [
        migrations.RunSQL(
            again(BEFORE.DRAW, "entitlements_draw", NO_CAP), again(BEFORE.DRAW, "entitlements_draw")
        ),
        migrations.RunSQL(
            again(BEFORE.COUNTERS, "entitlements_counters", *MOVED_ON), again(BEFORE.COUNTERS, "entitlements_counters")
        ),
        migrations.RunSQL(
            again(BEFORE.SETTLE, "entitlements_settle", SETTLE), again(BEFORE.SETTLE, "entitlements_settle")
        ),
        migrations.RunSQL(
            again(BEFORE.CORRECT, "entitlements_correct", *CORRECT), again(BEFORE.CORRECT, "entitlements_correct")
        ),
    ]
