"""What is known of one user, read to be kept: one prepared question, whose answer is packed as it comes.

No grant is made of a row here: of what is kept a check asks for one feature. Postgres puts together what the grants of
one source have in common, and writes the terms of all of them as one text.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from django.db import connection
from psycopg.pq import DiagnosticField, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult

from entitlements import facts, packing, shapes
from entitlements.facts import Facts
from entitlements.packing import Group
from events import clock

# The same as `facts.READ`, as libpq takes it, and the time.
FETCH = b"""
WITH family AS (
    SELECT family_id FROM entitlements_familymember WHERE user_id = $1 AND status = 'active'
), mine AS (
    SELECT * FROM entitlements_entitlement WHERE user_id = $1
    UNION ALL
    SELECT entitlement.* FROM entitlements_entitlement AS entitlement
    WHERE family_id = (SELECT family_id::text FROM family) AND user_id <> $1
), given AS (
    SELECT
        user_id, source_type, source_id, status, mine.reason, nullif(family_id, '') AS family_id,
        (extract(epoch FROM starts_at) * 1000000)::bigint AS starts_at,
        (extract(epoch FROM granted_at) * 1000000)::bigint AS granted_at,
        (extract(epoch FROM status_at) * 1000000)::bigint AS status_at,
        (extract(epoch FROM ends_at) * 1000000)::bigint AS ends_at,
        (extract(epoch FROM grace_until) * 1000000)::bigint AS grace_until,
        string_agg(replace(mine.id::text, '-', ''), '' ORDER BY feature_code, mine.id) AS ids,
        jsonb_agg(jsonb_build_array(
            feature_code, mine.plan_id, number, mine."limit", period, soft, value, anchor, time_zone, warn_at,
            rollover_max, member_cap, priority
        ) ORDER BY feature_code, mine.id) AS terms,
        count(mine.plan_id) AS planned
    FROM mine LEFT JOIN pricing_planversion AS version ON version.id = mine.version_id
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
)
SELECT known.*, given.* FROM (
    SELECT
        coalesce((SELECT version FROM entitlements_epoch WHERE user_id = $1), 0),
        coalesce((SELECT version FROM entitlements_epoch WHERE user_id = ''), 0),
        (SELECT family_id FROM family),
        (SELECT jsonb_agg(to_jsonb(rule)) FROM entitlements_override AS rule WHERE user_id = $1),
        (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
) AS known LEFT JOIN given ON true
"""
# The same of many, each row with his id.
FETCH_MANY = b"SELECT found.*, who.id FROM unnest($1::text[]) AS who (id) CROSS JOIN LATERAL (%b) AS found (%b)" % (
    FETCH.replace(b"$1", b"who.id"),
    b", ".join(b"of_%d" % place for place in range(19)),
)
NAME, MANY, UNPREPARED = b"farebox_facts", b"farebox_facts_of_many", b"26000"
# From an answer that took longer the time is not learned: it may be ahead by as much.
SOON_SECONDS = 0.02


class Fetched(NamedTuple):
    """What is known of a user, its packet, and the text of each shape that this names."""

    known: Facts
    packet: bytes
    shapes: Mapping[bytes, bytes]


def fetch(user_id: str) -> Fetched:
    """Read what is known of the user outside any transaction, and what time it is."""
    # To libpq it would be the end of the text.
    if "\x00" in user_id:
        return _kept(facts.read(user_id))
    pool = connection.pool  # type: ignore[attr-defined]
    # Django opens it with its own first question, which may not have come yet.
    pool.open()
    with connection.wrap_database_errors:
        own = pool.getconn()
        try:
            found, asked = _prepared(own.pgconn, user_id.encode())
        finally:
            pool.putconn(own)
    if found.status != ExecStatus.TUPLES_OK:
        return _kept(facts.read(user_id))
    if time.monotonic() - asked < SOON_SECONDS:
        clock.learn(clock.EPOCH + timedelta(microseconds=_number(found, 0, 4)), asked)
    return _packed(user_id, found, range(found.ntuples))


def fetch_here(user_ids: Sequence[str]) -> list[Fetched]:
    """Read these on the connection that has just committed: in one question, and no other connection is needed.

    Raises DatabaseError. Inside a transaction they are read as anything else is: a refused question would end it.
    """
    own = connection.connection
    if own is None or own.pgconn.transaction_status != TransactionStatus.IDLE:
        return [_kept(known) for known in facts.read_many(user_ids).values()]
    is_one = len(user_ids) == 1
    with connection.wrap_database_errors:
        if is_one:
            found, _asked = _prepared(own.pgconn, user_ids[0].encode())
        else:
            found, _asked = _prepared(own.pgconn, _array(user_ids).encode(), MANY, FETCH_MANY)
    if found.status != ExecStatus.TUPLES_OK:
        return [_kept(known) for known in facts.read_many(user_ids).values()]
    rows: dict[str, list[int]] = {}
    for row in range(found.ntuples):
        rows.setdefault(user_ids[0] if is_one else _text(found, row, 19), []).append(row)
    return [_packed(user_id, found, of) for user_id, of in rows.items()]


def _array(texts: Sequence[str]) -> str:
    """Write texts as Postgres reads an array of them."""
    escaped = (text.replace("\\", "\\\\").replace('"', '\\"') for text in texts)
    return "{" + ",".join(f'"{text}"' for text in escaped) + "}"


def _prepared(line: PGconn, of: bytes, name: bytes = NAME, text: bytes = FETCH) -> tuple[PGresult, float]:
    """Return the answer, and when the question was asked that it answers."""
    asked = time.monotonic()
    found = line.exec_prepared(name, [of])
    if found.error_field(DiagnosticField.SQLSTATE) == UNPREPARED:
        line.prepare(name, text)
        asked = time.monotonic()
        found = line.exec_prepared(name, [of])
    return found, asked


def _packed(user_id: str, found: PGresult, rows: Sequence[int]) -> Fetched:
    # Nobody has a grant without a user.
    groups = [_group(found, row) for row in rows if found.get_value(row, 5) is not None]
    family, rules = found.get_value(rows[0], 2), found.get_value(rows[0], 3)
    packet, named = packing.packed(
        user_id,
        _number(found, rows[0], 0),
        _number(found, rows[0], 1),
        UUID(family.decode()) if family else None,
        groups,
        facts.by_feature(json.loads(rules), facts.rule_of) if rules else {},
    )
    return Fetched(packing.unpack(user_id, packet), packet, named)


def _group(found: PGresult, row: int) -> Group:
    family, ids = found.get_value(row, 10), bytes.fromhex(_text(found, row, 16))
    return Group(
        _text(found, row, 5),
        _text(found, row, 6),
        _text(found, row, 7),
        _text(found, row, 8),
        _text(found, row, 9),
        UUID(family.decode()) if family else None,
        _number(found, row, 11),
        _number(found, row, 12),
        _number(found, row, 13),
        _number(found, row, 14) if found.get_value(row, 14) else None,
        _number(found, row, 15) if found.get_value(row, 15) else None,
        [ids[at : at + 16] for at in range(0, len(ids), 16)],
        shapes.text_of(found.get_value(row, 17) or b""),
        _number(found, row, 18) > 0,
    )


def _text(found: PGresult, row: int, place: int) -> str:
    return (found.get_value(row, place) or b"").decode()


def _number(found: PGresult, row: int, place: int) -> int:
    return int(found.get_value(row, place) or 0)


def _kept(known: Facts) -> Fetched:
    return Fetched(known, *packing.pack(known))
