"""Draw units from pools in one statement: nothing that two callers do at once can pass a hard limit."""

from django.db import migrations

# The counters of some keys, in their order; those that are missing are made. What rolls over is worked out then.
COUNTERS = """
-- RFC 9562, 5.7: of version 7, as `events.ids` makes them; Postgres itself can from version 18 on.
CREATE FUNCTION entitlements_uuid7() RETURNS uuid LANGUAGE sql VOLATILE AS $$
    SELECT encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid())
        PLACING substring(int8send(floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6),
        52, 1), 53, 1), 'hex')::uuid
$$;

-- When it is written down. A caller read his now before he waited for the counters: who asks of a moment in between
-- was answered without what is written here. A now that is not of the present stays what it is.
CREATE FUNCTION entitlements_written(p_now timestamptz) RETURNS timestamptz LANGUAGE sql VOLATILE AS $$
    SELECT CASE WHEN clock_timestamp() - p_now BETWEEN interval '0' AND interval '1 minute'
        THEN clock_timestamp() ELSE p_now END
$$;

CREATE FUNCTION entitlements_counters(
    p_features text[], p_subjects text[], p_pools uuid[], p_members text[], p_starts timestamptz[],
    p_ends timestamptz[], p_sizes bigint[], p_befores timestamptz[], p_rolls bigint[]
) RETURNS uuid[] LANGUAGE plpgsql AS $$
DECLARE v_ids uuid[];
BEGIN
    FOR turn IN 1..2 LOOP
        SELECT array_agg(counter.id ORDER BY wanted.place) INTO v_ids
        FROM unnest(p_features, p_subjects, p_pools, p_members, p_starts)
            WITH ORDINALITY AS wanted (feature, subject, pool, member, start, place)
        LEFT JOIN entitlements_usagecounter AS counter
            ON counter.subject = wanted.subject AND counter.feature_code = wanted.feature
            AND counter.pool IS NOT DISTINCT FROM wanted.pool
            AND counter.member = wanted.member AND counter.period_start = wanted.start;
        EXIT WHEN array_position(v_ids, NULL) IS NULL;
        -- Whoever uses what is left of the period before now is waited for: it cannot move on as well.
        PERFORM FROM entitlements_usagecounter AS old
        JOIN unnest(p_features, p_subjects, p_pools, p_members, p_befores)
            AS wanted (feature, subject, pool, member, start)
            ON old.subject = wanted.subject AND old.feature_code = wanted.feature AND old.pool = wanted.pool
            AND old.member = wanted.member AND old.period_start = wanted.start
        ORDER BY old.id FOR UPDATE OF old;
        INSERT INTO entitlements_usagecounter
            (id, feature_code, subject, pool, member, period_start, period_end, rolled, used, reserved)
        SELECT entitlements_uuid7(), feature, subject, pool, member, start, "end", coalesce((
            SELECT least(roll, greatest(size + coalesce(max(old.rolled), 0)
                - coalesce(max(old.used), 0) - coalesce(max(old.reserved), 0), 0))
            FROM entitlements_usagecounter AS old
            WHERE old.subject = wanted.subject AND old.feature_code = wanted.feature
                AND old.pool = wanted.pool AND old.member = wanted.member AND old.period_start = wanted.before
            HAVING wanted.before IS NOT NULL AND wanted.roll IS NOT NULL AND wanted.size IS NOT NULL
        ), 0), 0, 0
        FROM unnest(p_features, p_subjects, p_pools, p_members, p_starts, p_ends, p_sizes, p_befores, p_rolls)
            AS wanted (feature, subject, pool, member, start, "end", size, before, roll)
        ORDER BY subject, feature, pool, member, start
        ON CONFLICT DO NOTHING;
    END LOOP;
    RETURN v_ids;
END $$;

-- These counters, and of the same pools and periods what the member used of them.
CREATE FUNCTION entitlements_with_member(p_counters uuid[], p_user text) RETURNS uuid[] LANGUAGE sql STABLE AS $$
    SELECT p_counters || ARRAY(
        SELECT share.id FROM entitlements_usagecounter AS counter
        JOIN entitlements_usagecounter AS share
            ON share.subject = counter.subject AND share.feature_code = counter.feature_code
            AND share.pool IS NOT DISTINCT FROM counter.pool
            AND share.period_start = counter.period_start AND share.member = p_user
        WHERE counter.id = ANY(p_counters) AND p_user <> '')
$$;

-- All who change counters lock them first, in this order: nobody waits for whom he holds up.
CREATE FUNCTION entitlements_lock(p_counters uuid[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM entitlements_usagecounter WHERE id = ANY(p_counters) ORDER BY id FOR UPDATE;
END $$;

-- Add to what pools have used and hold, and to the member's shares of them.
CREATE FUNCTION entitlements_add(p_counters uuid[], p_user text, p_used bigint[], p_reserved bigint[])
RETURNS void LANGUAGE sql AS $$
    UPDATE entitlements_usagecounter AS counter
    SET used = counter.used + change.used, reserved = counter.reserved + change.reserved
    FROM (
        SELECT each.id, each.used, each.reserved FROM unnest(p_counters, p_used, p_reserved) AS each (id, used, reserved)
        UNION ALL
        SELECT share.id, each.used, each.reserved
        FROM unnest(p_counters, p_used, p_reserved) AS each (id, used, reserved)
        JOIN entitlements_usagecounter AS whole ON whole.id = each.id
        JOIN entitlements_usagecounter AS share
            ON share.subject = whole.subject AND share.feature_code = whole.feature_code
            AND share.pool IS NOT DISTINCT FROM whole.pool
            AND share.period_start = whole.period_start AND share.member = p_user
        WHERE p_user <> ''
    ) AS change
    WHERE counter.id = change.id AND (change.used <> 0 OR change.reserved <> 0)
$$;
"""

# A reservation leaves `held`: once, whoever tries. What is not committed goes back to the pools that paid.
SETTLE = """
CREATE FUNCTION entitlements_settle(
    p_reservation uuid, p_status text, p_units bigint, p_now timestamptz, p_event uuid, p_principal text, p_hash text
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    held entitlements_reservation;
    v_used bigint[] := '{}'; v_back bigint[] := '{}'; v_left bigint := p_units; v_part bigint;
BEGIN
    SELECT * INTO held FROM entitlements_reservation WHERE id = p_reservation;
    PERFORM entitlements_lock(entitlements_with_member(held.counters, held.user_id));
    UPDATE entitlements_reservation
    SET status = p_status, status_at = entitlements_written(p_now), committed = CASE p_status WHEN 'committed' THEN p_units END
    WHERE id = p_reservation AND status = 'held'
        AND CASE p_status WHEN 'committed' THEN expires_at > p_now WHEN 'expired' THEN expires_at <= p_now ELSE true END
    RETURNING * INTO held;
    IF NOT FOUND THEN RETURN 'late'; END IF;
    FOREACH v_part IN ARRAY held.shares LOOP
        v_used := v_used || least(v_left, v_part);
        v_back := v_back || -v_part;
        v_left := v_left - least(v_left, v_part);
    END LOOP;
    PERFORM entitlements_add(held.counters, held.user_id, v_used, v_back);
    IF p_status = 'committed' THEN
        INSERT INTO entitlements_usageevent (id, principal, event_id, request_hash, user_id, feature_code, units,
            overage, counters, shares, at, recorded_at, reservation, reason, metadata)
        VALUES (p_event, p_principal, 'reservation:' || held.id, p_hash, held.user_id, held.feature_code, p_units,
            greatest(p_units - held.units + held.overage, 0), held.counters, v_used, p_now, entitlements_written(p_now), held.id, '',
            held.metadata);
    END IF;
    RETURN p_status;
END $$;
"""

# One use, or one reservation (with `p_until`), by what is known of the user at `p_version`. The first `p_drawn` keys are the pools in the order in which they pay;
# `p_shares` names the place of a pool's share, and is -1 for what others took of the first pool's limit.
DRAW = """
CREATE FUNCTION entitlements_draw(
    p_id uuid, p_principal text, p_key text, p_hash text, p_user text, p_feature text, p_units bigint,
    p_at timestamptz, p_now timestamptz, p_until timestamptz, p_metadata jsonb,
    p_subjects text[], p_pools uuid[], p_members text[], p_starts timestamptz[], p_ends timestamptz[],
    p_sizes bigint[], p_softs boolean[], p_befores timestamptz[], p_rolls bigint[], p_shares int[],
    p_drawn int, p_let_through boolean, p_warn int[], p_telling boolean, p_version bigint,
    OUT said text, OUT earlier uuid, OUT earlier_hash text, OUT over bigint, OUT crossed boolean, OUT paid uuid[],
    OUT parts bigint[], OUT recorded timestamptz
) LANGUAGE plpgsql AS $$
DECLARE
    v_ids uuid[]; v_due uuid[]; v_locked uuid[]; v_used bigint[]; v_held bigint[]; v_rolled bigint[];
    v_add bigint[]; v_ceilings bigint[]; v_left bigint := p_units; v_room bigint; v_spent bigint := 0;
    v_limit bigint := 0; v_before bigint; v_total int := cardinality(p_subjects); v_last int; v_id uuid;
BEGIN
    over := 0; crossed := false;
    IF p_version <> coalesce((SELECT version FROM entitlements_epoch WHERE user_id = p_user), 0) THEN
        said := 'stale'; RETURN;
    END IF;
    -- Most uses are of one pool that has enough left: an UPDATE with its condition, and the event.
    IF v_total = 1 AND p_until IS NULL AND p_units > 0 AND p_rolls[1] IS NULL AND p_pools[1] IS NOT NULL THEN
        UPDATE entitlements_usagecounter AS counter
        SET used = counter.used + p_units,
            ceiling = CASE WHEN p_softs[1] THEN NULL ELSE p_sizes[1] + counter.rolled END
        WHERE counter.subject = p_subjects[1] AND counter.feature_code = p_feature AND counter.pool = p_pools[1]
            AND counter.member = p_members[1] AND counter.period_start = p_starts[1]
            AND (p_sizes[1] IS NULL OR (
                counter.used + counter.reserved + p_units <= p_sizes[1] + counter.rolled
                AND NOT EXISTS (SELECT FROM unnest(p_warn) AS percent
                    WHERE counter.used * 100.0 < percent::numeric * (p_sizes[1] + counter.rolled)
                    AND (counter.used + p_units) * 100.0 >= percent::numeric * (p_sizes[1] + counter.rolled))))
        RETURNING counter.id INTO v_id;
        IF FOUND THEN
            recorded := entitlements_written(p_now);
            INSERT INTO entitlements_usageevent (id, principal, event_id, request_hash, user_id, feature_code, units,
                overage, counters, shares, at, recorded_at, reason, metadata)
            VALUES (p_id, p_principal, p_key, p_hash, p_user, p_feature, p_units, 0, ARRAY[v_id], ARRAY[p_units],
                p_at, recorded, '', p_metadata)
            ON CONFLICT (principal, event_id) DO NOTHING;
            said := 'drawn'; paid := ARRAY[v_id]; parts := ARRAY[p_units];
            IF FOUND THEN RETURN; END IF;
            UPDATE entitlements_usagecounter SET used = used - p_units WHERE id = v_id;
        END IF;
    END IF;

    v_ids := entitlements_counters(array_fill(p_feature, ARRAY[v_total]), p_subjects, p_pools, p_members, p_starts,
        p_ends, p_sizes, p_befores, p_rolls);
    -- What should be free already is freed here: nobody waits for a job.
    SELECT array_agg(due.id),
        array_agg(part.id) INTO v_due, v_locked
    FROM entitlements_reservation AS due
    CROSS JOIN LATERAL unnest(entitlements_with_member(due.counters, due.user_id)) AS part (id)
    WHERE due.status = 'held' AND due.expires_at <= p_now AND due.counters && v_ids;
    PERFORM entitlements_lock(v_ids || v_locked);
    FOR v_id IN SELECT DISTINCT unnest(v_due) LOOP
        PERFORM entitlements_settle(v_id, 'expired', 0, p_now, NULL, NULL, NULL);
    END LOOP;

    -- After the lock: whoever recorded the same use of the same pool has done so by now.
    IF p_until IS NULL THEN
        SELECT id, request_hash INTO earlier, earlier_hash FROM entitlements_usageevent
        WHERE principal = p_principal AND event_id = p_key;
        IF FOUND THEN said := 'replayed'; RETURN; END IF;
    END IF;

    SELECT array_agg(counter.used ORDER BY place), array_agg(counter.reserved ORDER BY place),
        array_agg(counter.rolled ORDER BY place), array_agg(0::bigint), array_agg(NULL::bigint)
    INTO v_used, v_held, v_rolled, v_add, v_ceilings
    FROM unnest(v_ids) WITH ORDINALITY AS wanted (id, place) JOIN entitlements_usagecounter AS counter USING (id);
    FOR i IN p_drawn + 1..v_total LOOP
        IF p_shares[i] = -1 THEN v_spent := v_spent + v_used[i] + v_held[i]; END IF;
    END LOOP;

    v_before := v_spent;
    FOR i IN 1..p_drawn LOOP
        v_before := v_before + v_used[i];
        v_limit := v_limit + p_sizes[i] + v_rolled[i];
        v_room := NULL;
        IF p_sizes[i] IS NOT NULL THEN
            v_ceilings[i] := p_sizes[i] + v_rolled[i] - CASE i WHEN 1 THEN v_spent ELSE 0 END;
            IF p_rolls[i] IS NOT NULL THEN
                -- A use that is told late cannot take what has moved on.
                v_ceilings[i] := v_ceilings[i] - coalesce((
                    SELECT later.rolled FROM entitlements_usagecounter AS later
                    WHERE later.subject = p_subjects[i] AND later.feature_code = p_feature
                        AND later.pool = p_pools[i] AND later.member = p_members[i]
                        AND later.period_start = p_ends[i]), 0);
            END IF;
            v_room := greatest(v_ceilings[i] - v_used[i] - v_held[i], 0);
        END IF;
        IF p_shares[i] > 0 THEN
            v_room := least(v_room, greatest(p_sizes[p_shares[i]] - v_used[p_shares[i]] - v_held[p_shares[i]], 0));
        END IF;
        IF p_units > 0 THEN v_add[i] := least(v_left, v_room); END IF;
        v_left := v_left - v_add[i];
    END LOOP;
    IF v_left > 0 THEN
        v_last := coalesce(array_position(p_softs[1:p_drawn], true), CASE WHEN p_let_through THEN 1 END);
        IF v_last IS NULL THEN said := 'refused'; RETURN; END IF;
        v_add[v_last] := v_add[v_last] + v_left;
        over := v_left;
    ELSIF v_left < 0 THEN
        -- What is only counted is given back, as far as it was taken.
        IF v_used[1] < -v_left OR (p_shares[1] > 0 AND v_used[p_shares[1]] < -v_left) THEN
            said := 'below'; RETURN;
        END IF;
        v_add[1] := v_left;
    END IF;
    crossed := p_until IS NULL AND v_limit > 0 AND EXISTS (SELECT FROM unnest(p_warn) AS percent
        WHERE v_before * 100.0 < percent::numeric * v_limit AND (v_before + p_units) * 100.0 >= percent::numeric * v_limit);
    IF crossed AND NOT p_telling THEN said := 'telling'; RETURN; END IF;

    FOR i IN 1..p_drawn LOOP
        IF p_shares[i] > 0 THEN v_add[p_shares[i]] := v_add[i]; v_ceilings[p_shares[i]] := p_sizes[p_shares[i]]; END IF;
    END LOOP;
    FOR i IN 1..v_total LOOP
        -- Who was let through is above the limit, and nobody goes further without being let through again.
        v_ceilings[i] := CASE WHEN coalesce(p_softs[i], false) OR v_ceilings[i] IS NULL THEN NULL
            ELSE greatest(v_ceilings[i], v_used[i] + v_held[i] + v_add[i]) END;
    END LOOP;
    UPDATE entitlements_usagecounter AS counter
    SET used = counter.used + CASE WHEN p_until IS NULL THEN change.units ELSE 0 END,
        reserved = counter.reserved + CASE WHEN p_until IS NULL THEN 0 ELSE change.units END,
        ceiling = change.ceiling
    FROM unnest(v_ids, v_add, v_ceilings) AS change (id, units, ceiling)
    WHERE counter.id = change.id AND change.units <> 0;

    SELECT array_agg(part.id ORDER BY place), array_agg(part.units ORDER BY place) INTO paid, parts
    FROM unnest(v_ids[1:p_drawn], v_add[1:p_drawn]) WITH ORDINALITY AS part (id, units, place) WHERE part.units <> 0;
    recorded := entitlements_written(p_now);
    IF p_until IS NULL THEN
        INSERT INTO entitlements_usageevent (id, principal, event_id, request_hash, user_id, feature_code, units,
            overage, counters, shares, at, recorded_at, reason, metadata)
        VALUES (p_id, p_principal, p_key, p_hash, p_user, p_feature, p_units, over, paid, parts, p_at, recorded, '',
            p_metadata);
    ELSE
        recorded := least(recorded, p_until - interval '1 microsecond');
        INSERT INTO entitlements_reservation (id, principal, idempotency_key, request_hash, user_id, feature_code,
            units, overage, counters, shares, status, status_at, created_at, expires_at, metadata)
        VALUES (p_id, p_principal, p_key, p_hash, p_user, p_feature, p_units, over, paid, parts, 'held', recorded,
            recorded, p_until, p_metadata);
    END IF;
    said := 'drawn';
END $$;
"""

# A correction: units go back to the pools that paid, the last one first, or more is taken of the last.
CORRECT = """
CREATE FUNCTION entitlements_correct(
    p_id uuid, p_principal text, p_key text, p_hash text, p_of uuid, p_units bigint, p_now timestamptz, p_reason text
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    meant entitlements_usageevent; v_net bigint[]; v_add bigint[]; v_left bigint := -p_units; v_over bigint; n int;
    v_full boolean;
BEGIN
    SELECT * INTO meant FROM entitlements_usageevent WHERE id = p_of;
    n := cardinality(meant.counters);
    PERFORM entitlements_lock(entitlements_with_member(meant.counters, meant.user_id));
    SELECT array_agg(kept.net ORDER BY kept.place), array_agg(0::bigint) INTO v_net, v_add FROM (
        SELECT paid.place, (
            SELECT sum(part.units) FROM entitlements_usageevent AS each
            CROSS JOIN LATERAL unnest(each.counters, each.shares) AS part (id, units)
            WHERE (each.id = p_of OR each.corrects = p_of) AND part.id = paid.id
        ) AS net FROM unnest(meant.counters) WITH ORDINALITY AS paid (id, place)
    ) AS kept;
    SELECT sum(overage) INTO v_over FROM entitlements_usageevent WHERE id = p_of OR corrects = p_of;
    IF p_units < 0 THEN
        FOR i IN REVERSE n..1 LOOP
            v_add[i] := -least(v_left, v_net[i]);
            v_left := v_left + v_add[i];
        END LOOP;
        IF v_left > 0 THEN RETURN 'below'; END IF;
        IF EXISTS (SELECT FROM unnest(meant.counters, v_add) AS change (id, units)
            JOIN entitlements_usagecounter AS counter USING (id) WHERE counter.used + change.units < 0)
        THEN RETURN 'below'; END IF;
    ELSE
        v_add[n] := p_units;
        SELECT bool_or(counter.used + counter.reserved + p_units > counter.ceiling) INTO v_full
        FROM entitlements_usagecounter AS counter
        WHERE counter.id = ANY(entitlements_with_member(meant.counters[n:n], meant.user_id));
        IF v_full THEN RETURN 'refused'; END IF;
    END IF;
    PERFORM entitlements_add(meant.counters, meant.user_id, v_add, array_fill(0::bigint, ARRAY[n]));
    INSERT INTO entitlements_usageevent (id, principal, event_id, request_hash, user_id, feature_code, units, overage,
        counters, shares, at, recorded_at, corrects, reason, metadata)
    VALUES (p_id, p_principal, p_key, p_hash, meant.user_id, meant.feature_code, p_units,
        CASE WHEN p_units < 0 THEN -least(-p_units, v_over) ELSE 0 END, meant.counters, v_add, meant.at, entitlements_written(p_now), p_of,
        p_reason, '{}');
    RETURN 'drawn';
END $$;
"""
AWAY = """
DROP FUNCTION entitlements_correct;
DROP FUNCTION entitlements_draw;
DROP FUNCTION entitlements_settle;
DROP FUNCTION entitlements_add;
DROP FUNCTION entitlements_lock;
DROP FUNCTION entitlements_with_member;
DROP FUNCTION entitlements_counters;
DROP FUNCTION entitlements_written;
DROP FUNCTION entitlements_uuid7;
"""


class Migration(migrations.Migration):
    dependencies = [("entitlements", "0010_thresholds_and_corrections")]

    operations = [migrations.RunSQL(COUNTERS + SETTLE + DRAW + CORRECT, AWAY)]
