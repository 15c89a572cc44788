"""What was used, and held, at a moment that is past: the sum of what was written down until then."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from django.db import connection, transaction

from entitlements.counters import COLUMNS
from entitlements.pools import Key, Tallies, Tally
from entitlements.reservations import LONGEST

WANTED = """unnest(%(subjects)s::text[], %(features)s::text[], %(pools)s::uuid[], %(members)s::text[],
    %(starts)s::timestamptz[]) WITH ORDINALITY AS wanted (subject, feature, pool, member, start, place)"""
MATCHING = """ON counter.subject = wanted.subject AND counter.feature_code = wanted.feature
    AND counter.pool IS NOT DISTINCT FROM wanted.pool AND counter.period_start = wanted.start"""
# Who makes one of these counters at this moment is waited for. What this makes is taken back at once.
MAKE = f"""
    INSERT INTO entitlements_usagecounter
        (id, subject, feature_code, pool, member, period_start, rolled, used, reserved)
    SELECT gen_random_uuid(), subject, feature, pool, member, start, 0, 0, 0 FROM {WANTED}
    ORDER BY subject, feature, pool, member, start
    ON CONFLICT DO NOTHING
"""  # noqa: S608 (of our own words)
# And who counts is, in the order in which all lock counters.
WAIT = f"""
    SELECT counter.id FROM {WANTED} JOIN entitlements_usagecounter AS counter {MATCHING}
    ORDER BY counter.id FOR SHARE OF counter
"""  # noqa: S608 (of our own words)
# A grant of one's own is used by oneself, and by whoever was ever in one's family. What was committed was held until
# its use was recorded, which may be after the period. A member's share is what he himself used of the pool.
READ = f"""
    SELECT wanted.place, coalesce(paid.used, 0), coalesce(held.reserved, 0), counter.rolled
    FROM {WANTED}
    JOIN entitlements_usagecounter AS counter {MATCHING} AND counter.member = ''
    CROSS JOIN LATERAL (
        SELECT CASE wanted.member
            WHEN '' THEN array_append(array_agg(DISTINCT kin.user_id::text), substr(wanted.subject, 6))
            ELSE ARRAY[wanted.member] END AS ids
        FROM entitlements_familymember AS me JOIN entitlements_familymember AS kin USING (family_id)
        WHERE me.user_id = substr(wanted.subject, 6) AND kin.user_id <> ''
    ) AS users
    CROSS JOIN LATERAL (
        SELECT sum(part.share)::bigint AS used FROM entitlements_usageevent AS event
        CROSS JOIN LATERAL unnest(event.counters, event.shares) AS part (counter, share)
        WHERE event.user_id = ANY(users.ids) AND event.feature_code = wanted.feature
            AND event.at >= wanted.start
            AND event.at < coalesce(counter.period_end + make_interval(secs => %(longest)s), 'infinity')
            AND event.recorded_at <= %(at)s AND part.counter = counter.id
    ) AS paid
    CROSS JOIN LATERAL (
        SELECT sum(part.share) FILTER (
                WHERE reservation.expires_at > %(at)s AND (reservation.status = 'held' OR coalesce(
                    (SELECT min(recorded_at) FROM entitlements_usageevent AS event
                     WHERE event.reservation = reservation.id),
                    reservation.status_at) > %(at)s))::bigint AS reserved,
            count(*) AS made
        FROM entitlements_reservation AS reservation
        CROSS JOIN LATERAL unnest(reservation.counters, reservation.shares) AS part (counter, share)
        WHERE reservation.user_id = ANY(users.ids) AND reservation.feature_code = wanted.feature
            AND reservation.created_at <= %(at)s AND part.counter = counter.id
    ) AS held
    WHERE paid.used IS NOT NULL OR held.made > 0
"""  # noqa: S608 (of our own words)


def counting(*, at: datetime) -> Callable[[Sequence[Key]], Tallies]:
    """Return what reads counters as they were at `at`, which must be past; one that there was not then is 0."""

    def read(keys: Sequence[Key]) -> Tallies:
        said = {name: list(column) for name, column in zip(COLUMNS, zip(*keys, strict=True), strict=True)}
        with connection.cursor() as cursor:
            with transaction.atomic():
                cursor.execute(MAKE, said)
                transaction.set_rollback(True)
            cursor.execute(WAIT, said)
            cursor.execute(READ, {**said, "at": at, "longest": LONGEST.total_seconds()})
            return {keys[place - 1]: Tally(used, reserved, rolled) for place, used, reserved, rolled in cursor}

    return read
