"""What is known of one user in a few bytes, for process memory and Valkey.

Grants of one source share their dates; the features and terms that a plan version gives are a *shape*, the same for all
its buyers: kept once in a table of the process and named by its hash. A shape never changes: other terms are another
shape. What only a few have stands in the packet itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from hashlib import blake2b
from operator import attrgetter
from typing import Any
from uuid import UUID

from entitlements.bits import Reader, Writer
from entitlements.facts import Facts
from entitlements.rules import Rule
from entitlements.spans import Grant

# Where a word stands is part of the format: new ones come last.
SOURCES = ("subscription", "one_time", "trial", "promotion", "manual", "family", "import")
STATUSES = ("active", "suspended", "expired", "canceled", "revoked")
REASONS = ("", "past_due", "unpaid", "paused", "dispute", "refund", "chargeback", "staff", "plan_changed")
# What the grants of one source have in common, and what a plan gives to many.
TOGETHER = ("source_type", "source_id", "status", "status_at", "reason", "granted_at", "starts_at", "ends_at") + (
    "grace_until",
    "user_id",
    "family_id",
)
TERMS = ("plan_id", "version", "limit", "period", "soft", "value", "anchor", "time_zone", "warn_at", "rollover_max") + (
    "member_cap",
    "priority",
)
OWN, UUID_SOURCE, OF_FAMILY, ENDS, GRACE, SHARED = 1, 2, 4, 8, 16, 32
REF_BYTES = 8
LONGEST_VERSION = 10
# So many shapes are kept; when there are more, packets carry their own.
MOST_SHAPES = 4096

Shape = Sequence[tuple[str, Mapping[str, Any]]]
# The id of a grant, what it has in common with others, and its terms.
Row = tuple[bytes, Mapping[str, Any], Mapping[str, Any]]
_together, _terms = attrgetter(*TOGETHER), attrgetter(*TERMS)
_rule = attrgetter(*(field.name for field in fields(Rule)))


class ShapeMissing(Exception):
    """The packet names shapes that this process has not seen."""


class Shapes:
    """The shapes that this process knows, by hash."""

    def __init__(self) -> None:
        self._known: dict[bytes, Shape] = {}

    def learn(self, text: bytes) -> bytes | None:
        """Keep a shape and return its hash; None when there are too many."""
        ref = blake2b(text, digest_size=REF_BYTES).digest()
        if ref not in self._known:
            if len(self._known) >= MOST_SHAPES:
                return None
            self._known[ref] = _shape(text)
        return ref

    def knows(self, ref: bytes) -> bool:
        """Say whether a packet that names it can be read."""
        return ref in self._known

    def get(self, ref: bytes) -> Shape:
        """Return a shape. Raises ShapeMissing."""
        if (found := self._known.get(ref)) is None:
            raise ShapeMissing(ref.hex())
        return found


shapes = Shapes()


class Unfolded(Mapping[str, tuple[Grant, ...]]):
    """The grants of a packet by feature code, each made when it is first asked for: a check asks for one feature."""

    def __init__(self, rows: Mapping[str, Sequence[Row]]) -> None:
        self._rows = rows
        self._made: dict[str, tuple[Grant, ...]] = {}

    def __getitem__(self, code: str) -> tuple[Grant, ...]:
        if (made := self._made.get(code)) is None:
            rows = self._rows[code]
            made = self._made[code] = tuple(Grant(id=UUID(bytes=id), **all_, **terms) for id, all_, terms in rows)
        return made

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


def pack(known: Facts) -> tuple[bytes, Mapping[bytes, bytes]]:
    """Return the packet, and the text of each shape that it names, by hash."""
    groups: dict[tuple[Any, ...], list[tuple[str, Grant]]] = {}
    for code in sorted(known.grants):
        for grant in sorted(known.grants[code], key=lambda grant: grant.id):
            groups.setdefault(_together(grant), []).append((code, grant))
    texts = [_text(rows) for rows in groups.values()]
    # Only what a plan gives is given to many.
    refs = [
        shapes.learn(text) if rows[0][1].plan_id else None for rows, text in zip(groups.values(), texts, strict=True)
    ]
    named = {ref: text for ref, text in zip(refs, texts, strict=True) if ref}
    to = Writer()
    to.number(known.version)
    to.number(len(named))
    to.raw(b"".join(named))
    to.number(known.catalog)
    to.ids([known.family_id] if known.family_id else [])
    to.number(len(groups))
    for rows, text, ref in zip(groups.values(), texts, refs, strict=True):
        if ref:
            _pack_group(to, rows, known.user_id, SHARED)
            to.number(list(named).index(ref))
        else:
            _pack_group(to, rows, known.user_id, 0)
            to.text(text.decode())
    to.text(json.dumps(_rules_out(known.rules), separators=(",", ":")) if known.rules else "")
    return to.packet(), named


def bare(version: int) -> bytes:
    """Return a packet that says no more than that nothing older counts."""
    to = Writer()
    to.number(version)
    return to.packet()


def is_bare(packet: bytes) -> bool:
    """Say whether a packet says no more than its version."""
    return len(packet) <= LONGEST_VERSION and packet == bare(version_of(packet))


def version_of(packet: bytes) -> int:
    """Return the version that a packet was packed at."""
    return Reader(packet).number()


def refs(packet: bytes) -> list[bytes]:
    """Return the hashes of the shapes that a packet names."""
    of = Reader(packet)
    of.number()
    return [of.raw(REF_BYTES) for _each in range(of.number())]


def unpack(user_id: str, packet: bytes, *, catalog: int = 0) -> Facts:
    """Return what a packet says of the user; a newer `catalog` takes the place of its own. Raises ShapeMissing."""
    of = Reader(packet)
    version = of.number()
    named = [of.raw(REF_BYTES) for _each in range(of.number())]
    catalog = max(of.number(), catalog)
    family = of.ids()
    rows: dict[str, list[Row]] = {}
    for _each in range(of.number()):
        together, ids, shared = _unpack_group(of, user_id)
        shape = shapes.get(named[of.number()]) if shared else _shape(of.text().encode())
        for id, (code, terms) in zip(ids, shape, strict=True):
            rows.setdefault(code, []).append((id, together, terms))
    said = of.text()
    rules = _rules_in(json.loads(said)) if said else {}
    return Facts(user_id, version, catalog, family[0] if family else None, Unfolded(rows), rules)


def _text(rows: Iterable[tuple[str, Grant]]) -> bytes:
    return json.dumps([[code, *_terms(grant)] for code, grant in rows], separators=(",", ":")).encode()


def _shape(text: bytes) -> Shape:
    made = []
    for code, *terms in json.loads(text):
        named = dict(zip(TERMS, terms, strict=True))
        made.append((code, {**named, "warn_at": tuple(named["warn_at"])}))
    return made


def _pack_group(to: Writer, rows: Sequence[tuple[str, Grant]], user_id: str, shared: int) -> None:
    grant = rows[0][1]
    source = _uuid(grant.source_id)
    flags = [
        (OWN, grant.user_id == user_id),
        (UUID_SOURCE, source),
        (OF_FAMILY, grant.family_id),
        (ENDS, grant.ends_at),
        (GRACE, grant.grace_until),
    ]
    to.number(sum(flag for flag, is_so in flags if is_so) | shared)
    if grant.user_id != user_id:
        to.text(grant.user_id)
    to.word(grant.source_type, SOURCES)
    to.word(grant.status, STATUSES)
    to.word(grant.reason, REASONS)
    if source:
        to.raw(source.bytes)
    else:
        to.text(grant.source_id)
    to.moment(grant.starts_at)
    to.moment(grant.granted_at, grant.starts_at)
    to.moment(grant.status_at, grant.granted_at)
    if grant.ends_at:
        to.moment(grant.ends_at, grant.starts_at)
    if grant.grace_until:
        to.moment(grant.grace_until, grant.starts_at)
    if grant.family_id:
        to.raw(grant.family_id.bytes)
    to.ids([each.id for _code, each in rows])


def _unpack_group(of: Reader, user_id: str) -> tuple[dict[str, Any], list[bytes], bool]:
    flags = of.number()
    together: dict[str, Any] = {
        "user_id": user_id if flags & OWN else of.text(),
        "source_type": of.word(SOURCES),
        "status": of.word(STATUSES),
        "reason": of.word(REASONS),
        "source_id": str(UUID(bytes=of.raw(16))) if flags & UUID_SOURCE else of.text(),
        "starts_at": (starts_at := of.moment()),
        "granted_at": (granted_at := of.moment(starts_at)),
        "status_at": of.moment(granted_at),
        "ends_at": of.moment(starts_at) if flags & ENDS else None,
        "grace_until": of.moment(starts_at) if flags & GRACE else None,
        "family_id": UUID(bytes=of.raw(16)) if flags & OF_FAMILY else None,
    }
    return together, of.raw_ids(), bool(flags & SHARED)


def _uuid(text: str) -> UUID | None:
    try:
        found = UUID(text)
    except ValueError:
        return None
    return found if str(found) == text else None


def _rules_out(rules: Mapping[str, Sequence[Rule]]) -> list[Any]:
    return [[code, *(_plain(said) for said in _rule(rule))] for code, each in sorted(rules.items()) for rule in each]


def _plain(said: Any) -> Any:
    if isinstance(said, datetime):
        return said.isoformat()
    return str(said) if isinstance(said, UUID) else said


def _rules_in(rows: Iterable[Sequence[Any]]) -> dict[str, tuple[Rule, ...]]:
    found: dict[str, tuple[Rule, ...]] = {}
    for code, id, effect, value, limit, operation, *moments in rows:
        starts_at, ends_at, created_at, removed_at = (each and datetime.fromisoformat(each) for each in moments)
        rule = Rule(UUID(id), effect, value, limit, operation, starts_at, ends_at, created_at, removed_at)
        found[code] = (*found.get(code, ()), rule)
    return found
