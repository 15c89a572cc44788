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
from operator import attrgetter
from typing import Any, NamedTuple
from uuid import UUID

from entitlements.bits import Reader, Writer
from entitlements.facts import Facts
from entitlements.rules import Rule
from entitlements.shapes import REF_BYTES, TERMS, Shape, shape_of, table
from entitlements.spans import Grant
from events import clock

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
OWN, UUID_SOURCE, OF_FAMILY, ENDS, GRACE, SHARED = 1, 2, 4, 8, 16, 32
LONGEST_VERSION, UUID_LETTERS = 10, 36


class Part(NamedTuple):
    """The grants of one source: what they have in common, their ids, and their terms in the same order."""

    together: Mapping[str, Any]
    ids: Sequence[bytes]
    shape: Shape


class Group(NamedTuple):
    """The same as it is packed: moments in microseconds since 1970, and the shape as text."""

    user_id: str
    source_type: str
    source_id: str
    status: str
    reason: str
    family_id: UUID | None
    starts_at: int
    granted_at: int
    status_at: int
    ends_at: int | None
    grace_until: int | None
    ids: Sequence[bytes]
    text: bytes
    is_planned: bool


# The id of a grant, what it has in common with others, and its terms.
Row = tuple[bytes, Mapping[str, Any], Mapping[str, Any]]
_together, _terms = attrgetter(*TOGETHER), attrgetter(*TERMS)
_rule = attrgetter(*(field.name for field in fields(Rule)))


class Unfolded(Mapping[str, tuple[Grant, ...]]):
    """The grants of a packet by feature code, each made when it is first asked for: a check asks for one feature."""

    __slots__ = ("_at", "_made", "_named", "_packet", "_parts", "_user_id")

    def __init__(self, user_id: str, packet: bytes, at: int, named: Sequence[Shape]) -> None:
        self._user_id, self._packet, self._at, self._named = user_id, packet, at, named
        self._parts: list[Part] | None = None
        self._made: dict[str, tuple[Grant, ...]] = {}

    @classmethod
    def of(cls, user_id: str, packet: bytes, parts: list[Part]) -> Unfolded:
        """Make them of a packet whose parts are known: it was packed a moment ago."""
        made = cls(user_id, packet, len(packet), ())
        made._parts = parts
        return made

    def __getitem__(self, code: str) -> tuple[Grant, ...]:
        if (made := self._made.get(code)) is None:
            rows = self.rows(code)
            if not rows:
                raise KeyError(code)
            made = tuple(Grant(id=UUID(bytes=id), **together, **terms) for id, together, terms in rows)
            self._made[code] = made
        return made

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(code for part in self.parts for code, _terms in part.shape.rows))

    def __len__(self) -> int:
        return len(list(iter(self)))

    @property
    def parts(self) -> list[Part]:
        """Return the groups of the packet; they are read when they are first asked for."""
        return self._read()[0] if self._parts is None else self._parts

    def rows(self, code: str) -> list[Row]:
        """Return what the grants of a feature are made of."""
        return [
            (part.ids[place], part.together, part.shape.rows[place][1])
            for part in self.parts
            for place in part.shape.places.get(code, ())
        ]

    def rest(self) -> Reader:
        """Return what follows them in the packet."""
        return self._read()[1]

    def _read(self) -> tuple[list[Part], Reader]:
        of = Reader(self._packet, self._at)
        self._parts = parts = [_unpack_group(of, self._user_id, self._named) for _each in range(of.number())]
        return parts, of


def pack(known: Facts) -> tuple[bytes, Mapping[bytes, bytes]]:
    """Return the packet, and the text of each shape that it names, by hash."""
    found: dict[tuple[Any, ...], list[tuple[str, Grant]]] = {}
    for code in sorted(known.grants):
        for grant in sorted(known.grants[code], key=lambda grant: grant.id):
            found.setdefault(_together(grant), []).append((code, grant))
    groups = [_group(rows) for rows in found.values()]
    return packed(known.user_id, known.version, known.catalog, known.family_id, groups, known.rules)


def packed(
    user_id: str,
    version: int,
    catalog: int,
    family_id: UUID | None,
    groups: Sequence[Group],
    rules: Mapping[str, Sequence[Rule]],
) -> tuple[bytes, Mapping[bytes, bytes]]:
    """Return the same of what is not made into grants."""
    # Only what a plan gives is given to many.
    refs = [table.learn(group.text) if group.is_planned else None for group in groups]
    named = {ref: group.text for ref, group in zip(refs, groups, strict=True) if ref}
    to = Writer()
    to.number(version)
    to.number(len(named))
    to.raw(b"".join(named))
    to.number(catalog)
    to.ids([family_id.bytes] if family_id else [])
    to.number(len(groups))
    for group, ref in zip(groups, refs, strict=True):
        _pack_group(to, group, user_id, SHARED if ref else 0)
        if ref:
            to.number(list(named).index(ref))
        else:
            to.text(group.text.decode())
    to.text(json.dumps(_rules_out(rules), separators=(",", ":")) if rules else "")
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
    named = [table.get(of.raw(REF_BYTES)) for _each in range(of.number())]
    catalog = max(of.number(), catalog)
    family = of.ids()
    grants = Unfolded(user_id, packet, of.at, named)
    # Most have no rules: the length of their text, 0, is then the last byte. The text itself never ends with that one.
    rules = _rules_in(json.loads(grants.rest().text())) if packet[-1] else {}
    return Facts(user_id, version, catalog, family[0] if family else None, grants, rules)


def _group(rows: Sequence[tuple[str, Grant]]) -> Group:
    grant = rows[0][1]
    return Group(
        grant.user_id,
        grant.source_type,
        grant.source_id,
        grant.status,
        grant.reason,
        grant.family_id,
        clock.microseconds(grant.starts_at),
        clock.microseconds(grant.granted_at),
        clock.microseconds(grant.status_at),
        clock.microseconds(grant.ends_at) if grant.ends_at else None,
        clock.microseconds(grant.grace_until) if grant.grace_until else None,
        [each.id.bytes for _code, each in rows],
        json.dumps([[code, *_terms(each)] for code, each in rows], separators=(",", ":")).encode(),
        grant.plan_id is not None,
    )


def _pack_group(to: Writer, group: Group, user_id: str, shared: int) -> None:
    source = _uuid(group.source_id)
    to.number(
        shared
        | (OWN if group.user_id == user_id else 0)
        | (UUID_SOURCE if source else 0)
        | (OF_FAMILY if group.family_id else 0)
        | (ENDS if group.ends_at is not None else 0)
        | (GRACE if group.grace_until is not None else 0)
    )
    if group.user_id != user_id:
        to.text(group.user_id)
    to.word(group.source_type, SOURCES)
    to.word(group.status, STATUSES)
    to.word(group.reason, REASONS)
    if source:
        to.raw(source.bytes)
    else:
        to.text(group.source_id)
    to.moment(group.starts_at)
    to.moment(group.granted_at, group.starts_at)
    to.moment(group.status_at, group.granted_at)
    if group.ends_at is not None:
        to.moment(group.ends_at, group.starts_at)
    if group.grace_until is not None:
        to.moment(group.grace_until, group.starts_at)
    if group.family_id:
        to.raw(group.family_id.bytes)
    to.ids(group.ids)


def _unpack_group(of: Reader, user_id: str, named: Sequence[Shape]) -> Part:
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
    ids = of.raw_ids()
    return Part(together, ids, named[of.number()] if flags & SHARED else shape_of(of.text().encode()))


def _uuid(text: str) -> UUID | None:
    if len(text) != UUID_LETTERS:
        return None
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
