"""Draw many uses in one statement, and do as much of it as can be done for all of them at once."""

from django.db import migrations

# What fits as a sum fits one by one too, and in any order; of a soft limit that is passed already, all is above it.
# What does not is left to be drawn one by one: its places are in `left_out`; `past` are those of them whose id was
# written down before, and under which row. An entry that is not plain is only locked, in the order in which all lock.
TOGETHER = """
CREATE FUNCTION entitlements_draw_together(
    e_features text[], e_subjects text[], e_pools uuid[], e_members text[], e_starts timestamptz[],
    e_ends timestamptz[], e_sizes bigint[], e_softs boolean[], e_warns text[], e_lowest int[], e_users text[],
    e_versions bigint[], e_plain boolean[],
    i_ids uuid[], i_principals text[], i_keys text[], i_hashes text[], i_units bigint[], i_ats timestamptz[],
    i_metadata text[], i_entries int[], p_now timestamptz, p_telling boolean,
    OUT left_out int[], OUT past int[], OUT earlier uuid[], OUT earlier_hashes text[], OUT over int[], OUT crossed int[],
    OUT recorded timestamptz
) LANGUAGE plpgsql
-- The tables grow while a session keeps its plan: every row is looked up by its index, whatever was thought at first.
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    v_ids uuid[]; v_filled int[]; v_entries int[] := i_entries;
    v_sums bigint[] := array_fill(0::bigint, ARRAY[cardinality(e_subjects)]);
    v_states int[] := array_fill(0, ARRAY[cardinality(e_subjects)]);
BEGIN
    SELECT array_agg(counter.id ORDER BY wanted.place) INTO v_ids
    FROM unnest(e_features, e_subjects, e_pools, e_members, e_starts)
        WITH ORDINALITY AS wanted (feature, subject, pool, member, start, place)
    LEFT JOIN LATERAL (
        SELECT id FROM entitlements_usagecounter AS counter
        WHERE counter.subject = wanted.subject AND counter.feature_code = wanted.feature
            AND counter.pool IS NOT DISTINCT FROM wanted.pool
            AND counter.member = wanted.member AND counter.period_start = wanted.start
        OFFSET 0
    ) AS counter ON true;
    IF array_position(v_ids, NULL) IS NOT NULL THEN
        v_ids := entitlements_counters(e_features, e_subjects, e_pools, e_members, e_starts, e_ends, e_sizes,
            array_fill(NULL::timestamptz, ARRAY[cardinality(v_ids)]),
            array_fill(NULL::bigint, ARRAY[cardinality(v_ids)]));
    END IF;
    PERFORM entitlements_lock(v_ids);

    -- After the lock: whoever recorded the same use of the same pool has done so by now.
    SELECT array_agg(wanted.place), array_agg(old.id), array_agg(old.request_hash)
    INTO past, earlier, earlier_hashes
    FROM unnest(i_principals, i_keys) WITH ORDINALITY AS wanted (principal, key, place)
    JOIN LATERAL (
        SELECT id, request_hash FROM entitlements_usageevent
        WHERE principal = wanted.principal AND event_id = wanted.key
        OFFSET 0
    ) AS old ON true;
    FOR i IN 1..coalesce(cardinality(past), 0) LOOP
        v_entries[past[i]] := 0;
    END LOOP;
    FOR i IN 1..cardinality(v_entries) LOOP
        IF v_entries[i] > 0 THEN v_sums[v_entries[i]] := v_sums[v_entries[i]] + i_units[i]; END IF;
    END LOOP;

    WITH filled AS (
        UPDATE entitlements_usagecounter AS counter
        SET used = counter.used + wanted.units,
            ceiling = CASE WHEN wanted.soft THEN NULL ELSE wanted.size + counter.rolled END
        FROM unnest(v_ids, v_sums, e_sizes, e_softs, e_warns, e_lowest, e_users, e_versions, e_plain)
            WITH ORDINALITY AS wanted (id, units, size, soft, warns, lowest, who, version, plain, place)
        WHERE counter.id = wanted.id AND wanted.plain AND wanted.units > 0
            AND wanted.version = coalesce((SELECT version FROM entitlements_epoch WHERE user_id = wanted.who), 0)
            AND (wanted.size IS NULL
                OR counter.used + counter.reserved + wanted.units <= wanted.size + counter.rolled
                OR (wanted.soft AND counter.used + counter.reserved >= wanted.size + counter.rolled))
            AND (p_telling OR wanted.size IS NULL OR wanted.lowest IS NULL
                OR (counter.used + wanted.units) * 100.0 < wanted.lowest::numeric * (wanted.size + counter.rolled)
                OR NOT EXISTS (SELECT FROM unnest(string_to_array(wanted.warns, ',')::int[]) AS percent
                    WHERE counter.used * 100.0 < percent::numeric * (wanted.size + counter.rolled)
                    AND (counter.used + wanted.units) * 100.0 >= percent::numeric * (wanted.size + counter.rolled)))
        RETURNING wanted.place::int,
            coalesce(counter.used - wanted.units + counter.reserved >= wanted.size + counter.rolled, false) AS above,
            p_telling AND wanted.size IS NOT NULL AND wanted.lowest IS NOT NULL AND EXISTS (
                SELECT FROM unnest(string_to_array(wanted.warns, ',')::int[]) AS percent
                WHERE (counter.used - wanted.units) * 100.0 < percent::numeric * (wanted.size + counter.rolled)
                AND counter.used * 100.0 >= percent::numeric * (wanted.size + counter.rolled)) AS crosses
    )
    SELECT array_agg(place), array_agg(place) FILTER (WHERE above), array_agg(place) FILTER (WHERE crosses)
    INTO v_filled, over, crossed FROM filled;
    -- 1: it was drawn; 2: and all of it is above the limit.
    FOR i IN 1..coalesce(cardinality(v_filled), 0) LOOP v_states[v_filled[i]] := 1; END LOOP;
    FOR i IN 1..coalesce(cardinality(over), 0) LOOP v_states[over[i]] := 2; END LOOP;

    recorded := entitlements_written(p_now);
    INSERT INTO entitlements_usageevent (id, principal, event_id, request_hash, user_id, feature_code, units, overage,
        counters, shares, at, recorded_at, reason, metadata)
    SELECT id, principal, key, hash, e_users[entry], e_features[entry], units,
        CASE v_states[entry] WHEN 2 THEN units ELSE 0 END, ARRAY[v_ids[entry]], ARRAY[units], at, recorded, '',
        metadata::jsonb
    FROM unnest(i_ids, i_principals, i_keys, i_hashes, i_units, i_ats, i_metadata, v_entries)
        AS item (id, principal, key, hash, units, at, metadata, entry)
    WHERE v_states[item.entry] > 0;

    FOR i IN 1..cardinality(v_entries) LOOP
        IF coalesce(v_states[v_entries[i]], 0) = 0 THEN left_out := left_out || i; END IF;
    END LOOP;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("entitlements", "0012_draw_many")]

    operations = [migrations.RunSQL(TOGETHER, "DROP FUNCTION entitlements_draw_together;")]
