"""Let what is left roll over through periods in which nothing was used."""

from django.db import migrations

# `p_starts` are those of some periods, the oldest first; the last is the one that is drawn from, and is not made here.
ROLL_ON = """
CREATE FUNCTION entitlements_roll_on(
    p_feature text, p_subject text, p_pool uuid, p_starts timestamptz[], p_size bigint, p_roll bigint
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE v_first int := 1; n int := cardinality(p_starts);
BEGIN
    SELECT coalesce(max(wanted.place), 0) + 1 INTO v_first
    FROM unnest(p_starts) WITH ORDINALITY AS wanted (start, place)
    JOIN entitlements_usagecounter AS counter
        ON counter.subject = p_subject AND counter.feature_code = p_feature AND counter.pool = p_pool
        AND counter.member = '' AND counter.period_start = wanted.start;
    -- To the oldest nothing moves on: so many unused ones after it add up to all that may.
    FOR i IN v_first..n - 1 LOOP
        PERFORM entitlements_counters(ARRAY[p_feature], ARRAY[p_subject], ARRAY[p_pool], ARRAY[''], p_starts[i:i],
            p_starts[i + 1:i + 1], ARRAY[p_size], CASE WHEN i > 1 THEN p_starts[i - 1:i - 1] ELSE ARRAY[NULL::timestamptz] END,
            ARRAY[p_roll]);
    END LOOP;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("entitlements", "0013_draw_together")]

    operations = [migrations.RunSQL(ROLL_ON, "DROP FUNCTION entitlements_roll_on;")]
