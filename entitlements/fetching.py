"""What is known of a user, read to be kept: one prepared question, whose answer is packed as it comes.

Who comes while another is answered is asked for together with all who wait. Postgres writes down rows and puts nothing
together; here no grant is made of them: of what is kept a check asks for one feature.
"""

from __future__ import annotations

import json
import os
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from operator import itemgetter
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from django.db import connection

from entitlements import facts, packing
from entitlements.facts import Facts
from entitlements.packing import Group as Together
from entitlements.shapes import shape_of, table
from events import clock
from events.groups import Group
from events.prepared import Prepared
from pricing.models import PlanVersion

# The same as `facts.READ` for many, and the time. What all grants of a source have in common stands before their terms.
FETCH = """
SELECT
    known.*, id, feature_code, plan_id, version_id, "limit", period, soft, value, anchor, time_zone, warn_at,
    rollover_max, member_cap, priority,
    user_id, source_type, source_id, status, reason, family_id, starts_at, granted_at, status_at, ends_at, grace_until
FROM (
    SELECT
        asked.place,
        coalesce((SELECT version FROM entitlements_epoch WHERE user_id = asked.by), 0),
        coalesce((SELECT version FROM entitlements_epoch WHERE user_id = ''), 0),
        (SELECT jsonb_agg(to_jsonb(rule)) FROM entitlements_override AS rule WHERE user_id = asked.by),
        clock_timestamp(),
        asked.by,
        (SELECT family_id FROM entitlements_familymember WHERE user_id = asked.by AND status = 'active') AS family
    FROM unnest($1::text[]) WITH ORDINALITY AS asked (by, place)
    OFFSET 0
) AS known
LEFT JOIN LATERAL (
    SELECT * FROM entitlements_entitlement WHERE user_id = known.by
    UNION ALL
    SELECT * FROM entitlements_entitlement WHERE family_id = known.family::text AND user_id <> known.by
) AS mine ON true
"""
# Where they stand in a row.
PLACE, VERSION, CATALOG, RULES, TIME, _USER, FAMILY, ID, CODE, PLAN = range(10)
TERMS, TOGETHER = slice(CODE, CODE + 13), slice(CODE + 13, None)
BY_CODE = itemgetter(CODE, ID)
# And of the terms.
VERSION_ID = 2
# What is read of one user: values as Postgres sends them.
Rows = Sequence[tuple[Any, ...]]
Terms = tuple[tuple[Any, ...], ...]
MOST_TEXTS = 1024
# A text of `text[]`: one dimension, no NULL in it, its type, how many, from 1 on.
LIST, LENGTH, TEXT = struct.Struct(">5i"), struct.Struct(">i"), 25
# Postgres' moments are microseconds since 2000.
SINCE_1970 = 946_684_800_000_000
# So many go together. Whoever waits so long reads for himself, and so does everybody when it fails.
MOST, PATIENCE_SECONDS, LOCK_MILLISECONDS = 64, 2.0, 1000
# From an answer that took longer the time is not learned: it may be ahead by as much.
SOON_SECONDS = 0.02


class Fetched(NamedTuple):
    """What is known of a user, its packet, and the text of each shape that this names."""

    known: Facts
    packet: bytes
    shapes: Mapping[bytes, bytes]


class Some:
    """Who is asked for together, and what was read of each, in the same order; nothing when nothing could be read."""

    __slots__ = ("rows", "user_ids")

    def __init__(self, user_ids: Sequence[bytes]) -> None:
        self.user_ids = user_ids
        self.rows: list[list[tuple[Any, ...]]] = []


def fetch(user_id: str) -> Fetched:
    """Read what is known of the user outside any transaction, and what time it is."""
    # No text of Postgres' has it.
    if "\x00" in user_id:
        return _kept(facts.read(user_id))
    some = Some([user_id.encode()])
    group.join(some)
    return packed(user_id, some.rows[0]) if some.rows else _kept(facts.read(user_id))


def fetch_many(user_ids: Sequence[str]) -> list[Fetched]:
    """Read the same of each, in one question; inside a transaction as it sees them. Raises DatabaseError."""
    some = Some([user_id.encode() for user_id in user_ids])
    if not connection.in_atomic_block:
        group.join(some)
    if some.rows:
        return [packed(user_id, rows) for user_id, rows in zip(user_ids, some.rows, strict=True)]
    return [_kept(known) for known in facts.read_many(user_ids).values()]


def ask(those: Sequence[Some]) -> None:
    """Read of all of them at once; who is told nothing reads for himself."""
    user_ids = [user_id for some in those for user_id in some.user_ids]
    with suppress(psycopg.Error):
        asked = time.monotonic()
        rows = prepared.run_raw([_list(user_ids)])
        if time.monotonic() - asked < SOON_SECONDS:
            clock.learn(clock.moment(_moment(rows[0][TIME])), asked)
        found: list[list[tuple[Any, ...]]] = [[] for _ in user_ids]
        for row in rows:
            found[_number(row[PLACE]) - 1].append(row)
        begin = 0
        for some in those:
            end = begin + len(some.user_ids)
            some.rows, begin = found[begin:end], end


def _list(texts: Sequence[bytes]) -> bytes:
    head = LIST.pack(1, 0, TEXT, len(texts), 1)
    return b"".join([head, *[LENGTH.pack(len(text)) + text for text in texts]])


def packed(user_id: str, rows: Rows) -> Fetched:
    """Put together what was read of one."""
    first = rows[0]
    version, catalog = _number(first[VERSION]), _number(first[CATALOG])
    family = UUID(bytes=first[FAMILY]) if first[FAMILY] else None
    # Who has no grant is told in a row of his own.
    groups = _groups(rows) if first[ID] else []
    rules = facts.by_feature(json.loads(first[RULES][1:]), facts.rule_of) if first[RULES] else {}
    packet, named = packing.packed(user_id, version, catalog, family, groups, rules)
    refs = {text: ref for ref, text in named.items()}
    parts = [_part(group, refs.get(group.text) if group.is_planned else None) for group in groups]
    return Fetched(
        Facts(user_id, version, catalog, family, packing.Unfolded.of(user_id, packet, parts), rules), packet, named
    )


def _part(group: Together, ref: bytes | None) -> packing.Part:
    """Return what would be read of it in the packet."""
    together = {
        "user_id": group.user_id,
        "source_type": group.source_type,
        "source_id": group.source_id,
        "status": group.status,
        "reason": group.reason,
        "family_id": group.family_id,
        "starts_at": clock.moment(group.starts_at),
        "granted_at": clock.moment(group.granted_at),
        "status_at": clock.moment(group.status_at),
        "ends_at": None if group.ends_at is None else clock.moment(group.ends_at),
        "grace_until": None if group.grace_until is None else clock.moment(group.grace_until),
    }
    return packing.Part(together, group.ids, table.get(ref) if ref else shape_of(group.text))


def _groups(rows: Rows) -> list[Together]:
    found: dict[tuple[bytes | None, ...], list[tuple[Any, ...]]] = {}
    for row in sorted(rows, key=BY_CODE) if len(rows) > 1 else rows:
        found.setdefault(row[TOGETHER], []).append(row)
    return [_group(together, each) for together, each in found.items()]


def _group(together: tuple[Any, ...], rows: Rows) -> Together:
    user_id, source_type, source_id, status, reason, family_id, *moments, ends_at, grace_until = together
    starts_at, granted_at, status_at = map(_moment, moments)
    return Together(
        user_id.decode(),
        source_type.decode(),
        source_id.decode(),
        status.decode(),
        reason.decode(),
        UUID(family_id.decode()) if family_id else None,
        starts_at,
        granted_at,
        status_at,
        _moment(ends_at) if ends_at else None,
        _moment(grace_until) if grace_until else None,
        [row[ID] for row in rows],
        texts.of(tuple([row[TERMS] for row in rows])),
        any(row[PLAN] for row in rows),
    )


class Texts:
    """Shapes as they are kept, by the values that they were read as."""

    def __init__(self) -> None:
        self._known: dict[Terms, bytes] = {}

    def of(self, terms: Terms) -> bytes:
        """Write a shape."""
        if (text := self._known.get(terms)) is not None:
            return text
        versions = {UUID(bytes=row[VERSION_ID]) for row in terms if row[VERSION_ID]}
        found = PlanVersion.objects.in_bulk(versions) if versions else {}
        text = json.dumps([_terms(row, found) for row in terms], separators=(",", ":")).encode()
        # Of a version that was sold nothing changes any more.
        if all(version.sold_at for version in found.values()):
            if len(self._known) >= MOST_TEXTS:
                self._known.clear()
            self._known[terms] = text
        return text


def _terms(row: tuple[Any, ...], versions: Mapping[UUID, PlanVersion]) -> list[Any]:
    read: list[Any] = [None if each is None else reader(each) for reader, each in zip(READERS, row, strict=True)]
    read[VERSION_ID] = versions[read[VERSION_ID]].number if row[VERSION_ID] else None
    return read


def _uuid(sent: bytes) -> UUID:
    return UUID(bytes=sent)


def _number(sent: bytes) -> int:
    return int.from_bytes(sent, signed=True)


def _moment(sent: bytes) -> int:
    return int.from_bytes(sent, signed=True) + SINCE_1970


def _is_so(sent: bytes) -> bool:
    return sent == b"\x01"


def _json(sent: bytes) -> Any:
    # It begins with the version of its format.
    return json.loads(sent[1:])


def _kept(known: Facts) -> Fetched:
    return Fetched(known, *packing.pack(known))


def _begin() -> None:
    # Who asked when the process was copied is not there to hand on.
    global group
    group = Group(ask, most=MOST, patience=PATIENCE_SECONDS)


# In the order of TERMS.
READERS: Sequence[Callable[[bytes], Any]] = (
    *(bytes.decode, bytes.decode, _uuid, _number, bytes.decode, _is_so, _json),
    *(bytes.decode, bytes.decode, _json, _number, _number, _number),
)
texts = Texts()
# By an index, and planned once: how many are asked for changes nothing.
prepared = Prepared(
    "farebox_facts",
    FETCH,
    lock_milliseconds=LOCK_MILLISECONDS,
    plan_cache_mode="force_generic_plan",
    enable_seqscan="off",
    jit="off",
)
group: Group[Some]
_begin()
os.register_at_fork(after_in_child=_begin)
