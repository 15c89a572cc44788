"""Draw a thousand uses in one statement: summed up for each counter, where the sum fits."""

from django.db import migrations

# What fits as a sum fits one by one too, and in any order. What does not is left to be drawn one by one.
MANY = """
CREATE FUNCTION entitlements_draw_many(
    e_features text[], e_subjects text[], e_pools uuid[], e_members text[], e_starts timestamptz[],
    e_ends timestamptz[], e_sizes bigint[], e_softs boolean[], e_befores timestamptz[], e_rolls bigint[],
    e_warns text[], e_users text[], e_versions bigint[], e_plain boolean[],
    i_ids uuid[], i_principals text[], i_keys text[], i_hashes text[], i_units bigint[], i_ats timestamptz[],
    i_metadata text[], i_entries int[], p_now timestamptz, p_telling boolean,
    OUT drawn boolean[], OUT earlier uuid[], OUT earlier_hashes text[], OUT crossed int[]
) LANGUAGE plpgsql AS $$
DECLARE v_ids uuid[]; v_sums bigint[]; v_ok boolean[]; v_filled int[]; v_total int := cardinality(e_subjects);
    v_written timestamptz;
BEGIN
    v_ids := entitlements_counters(e_features, e_subjects, e_pools, e_members, e_starts, e_ends, e_sizes, e_befores,
        e_rolls);
    PERFORM entitlements_lock(v_ids);
    SELECT array_agg(past.id ORDER BY place), array_agg(past.request_hash ORDER BY place)
    INTO earlier, earlier_hashes
    FROM unnest(i_principals, i_keys) WITH ORDINALITY AS wanted (principal, key, place)
    LEFT JOIN entitlements_usageevent AS past ON past.principal = wanted.principal AND past.event_id = wanted.key;

    v_sums := array_fill(0::bigint, ARRAY[v_total]);
    v_ok := array_fill(false, ARRAY[v_total]);
    drawn := array_fill(false, ARRAY[cardinality(i_ids)]);
    FOR i IN 1..cardinality(i_ids) LOOP
        IF i_entries[i] > 0 AND earlier[i] IS NULL THEN
            v_sums[i_entries[i]] := v_sums[i_entries[i]] + i_units[i];
        END IF;
    END LOOP;

    WITH filled AS (
        UPDATE entitlements_usagecounter AS counter
        SET used = counter.used + wanted.units,
            ceiling = CASE WHEN wanted.soft THEN NULL ELSE wanted.size + counter.rolled END
        FROM unnest(v_ids, v_sums, e_sizes, e_softs, e_warns, e_users, e_versions, e_plain)
            WITH ORDINALITY AS wanted (id, units, size, soft, warns, who, version, plain, place)
        WHERE counter.id = wanted.id AND wanted.plain AND wanted.units > 0
            AND wanted.version = coalesce((SELECT version FROM entitlements_epoch WHERE user_id = wanted.who), 0)
            AND (wanted.size IS NULL
                OR counter.used + counter.reserved + wanted.units <= wanted.size + counter.rolled)
            AND (p_telling OR wanted.size IS NULL OR NOT EXISTS (
                SELECT FROM unnest(string_to_array(wanted.warns, ',')::int[]) AS percent
                WHERE counter.used * 100.0 < percent::numeric * (wanted.size + counter.rolled)
                AND (counter.used + wanted.units) * 100.0 >= percent::numeric * (wanted.size + counter.rolled)))
        RETURNING wanted.place::int, EXISTS (
            SELECT FROM unnest(string_to_array(wanted.warns, ',')::int[]) AS percent
            WHERE (counter.used - wanted.units) * 100.0 < percent::numeric * (wanted.size + counter.rolled)
            AND counter.used * 100.0 >= percent::numeric * (wanted.size + counter.rolled)) AS crosses
    )
    SELECT array_agg(place), coalesce(array_agg(place) FILTER (WHERE crosses), '{}') INTO v_filled, crossed FROM filled;
    FOR i IN 1..coalesce(cardinality(v_filled), 0) LOOP
        v_ok[v_filled[i]] := true;
    END LOOP;
    FOR i IN 1..cardinality(i_ids) LOOP
        drawn[i] := i_entries[i] > 0 AND earlier[i] IS NULL AND v_ok[i_entries[i]];
    END LOOP;

    v_written := entitlements_written(p_now);
    INSERT INTO entitlements_usageevent (id, principal, event_id, request_hash, user_id, feature_code, units, overage,
        counters, shares, at, recorded_at, reason, metadata)
    SELECT id, principal, key, hash, e_users[entry], e_features[entry], units, 0, v_ids[entry:entry], ARRAY[units], at,
        v_written, '', metadata::jsonb
    FROM unnest(i_ids, i_principals, i_keys, i_hashes, i_units, i_ats, i_metadata, i_entries, drawn)
        AS item (id, principal, key, hash, units, at, metadata, entry, fits)
    WHERE item.fits;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("entitlements", "0011_draw_units")]

    operations = [migrations.RunSQL(MANY, "DROP FUNCTION entitlements_draw_many;")]
