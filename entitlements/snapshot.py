"""What is known of a user, kept near: in this process, in Valkey behind it, in Postgres behind both. Never counters.

Every version that a commit made is announced (`announcing`), kept in Valkey and told to every process; an older one
never takes the place of a newer one. What was missed lasts as long as it may be kept: 30 seconds at most.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from django.conf import settings
from django.db import connection

from entitlements import facts, fetching, gauges, lifetimes, packing, plain, shelf
from entitlements.facts import Facts, knows
from entitlements.fetching import Fetched
from entitlements.flights import Flight, Flights
from entitlements.gauges import HITS_MEMORY
from entitlements.listening import Line
from entitlements.near import Memory
from entitlements.plain import Plain
from entitlements.shapes import ShapeMissing, table
from entitlements.shelf import Change, Found
from entitlements.shelving import Shelving
from entitlements.stream import listeners
from events import clock

# Whoever took longer to read may have slept through a change and its end.
SLOWEST_SECONDS = 2.0


def current(user_id: str) -> Facts:
    """Return what is known of the user now, from wherever it is nearest.

    Inside a transaction that is Postgres: it sees what it wrote itself, and what it read is nobody else's yet.
    """
    if connection.in_atomic_block:
        return facts.read(user_id)
    return peek(user_id) or _whole(_fetched(user_id))


def far(user_id: str) -> Facts | Plain:
    """Return the same to whoever has peeked in vain, as plain as it was found."""
    return facts.read(user_id) if connection.in_atomic_block else _fetched(user_id)


def current_many(user_ids: Iterable[str]) -> dict[str, Facts]:
    """Return what is known of each user now, with one round trip to Valkey and one to Postgres for what is not near."""
    wanted = list(dict.fromkeys(user_ids))
    if connection.in_atomic_block:
        return facts.read_many(wanted)
    near = {user_id: known for user_id in wanted if (known := peek(user_id))}
    far = [user_id for user_id in wanted if user_id not in near]
    return {**near, **_fetch(far, {user_id: flights.join(user_id) for user_id in far})} if far else near


def peek(user_id: str, now: float | None = None) -> Facts | None:
    """Return what this process knows of the user and may still trust; None otherwise. Asks nobody."""
    now = time.monotonic() if now is None else now
    if now >= line.trusted_until:
        return None
    known = memory.get(user_id, now)
    if known is None or not knows(known.catalog):
        return None
    HITS_MEMORY.count += 1
    return known


def heard(change: Change) -> None:
    """Take in what somebody tells of a user; the user "" stands for the catalog of features."""
    version = packing.version_of(change.packet)
    listeners.ring(change.user_id)
    if not change.user_id:
        memory.learn_catalog(version)
        return
    flights.announce(change.user_id, version)
    packet = None if packing.is_bare(change.packet) or change.seconds <= 0 else change.packet
    memory.replace(change.user_id, version, packet, time.monotonic() + change.seconds)


def forget() -> None:
    """Forget all that this process knows, and what it fetches now."""
    flights.spoil()
    memory.clear()


def change_of(known: Facts) -> Change:
    """Return what is known as it is kept and told."""
    return _change(known, *packing.pack(known))


def change_from(read: Fetched) -> Change:
    """Return what was read to be kept in the same way."""
    return _change(*read)


def _change(known: Facts, packet: bytes, shapes: Mapping[bytes, bytes]) -> Change:
    return Change(known.user_id, packet, lifetimes.seconds(known, clock.near()), shapes)


def _whole(known: Facts | Plain) -> Facts:
    return known.facts(memory.catalog) if isinstance(known, Plain) else known


def _fetched(user_id: str) -> Facts | Plain:
    flight, is_mine = flights.join(user_id)
    if not is_mine:
        return flight.wait() or facts.read(user_id)
    known: Facts | Plain | None = None
    if not line.is_up():
        line.open()
    try:
        place = shelf.here()
        if (found := place.find(user_id)) is not None and (known := _seen(user_id, found, flight)) is None:
            place.learn(found)
            known = _taken(user_id, found, flight, is_mine=True)
        if known is None:
            known = _read_one(user_id, flight)
        return known
    finally:
        flights.land(user_id, flight, known)


def _fetch(user_ids: list[str], joined: dict[str, tuple[Flight, bool]]) -> dict[str, Facts]:
    """Fetch for oneself and for those who wait; only the fetch that others wait for is remembered."""
    line.open()
    found: dict[str, Facts] = {}
    try:
        for user_id, each in shelf.here().look(user_ids).items():
            flight, is_mine = joined[user_id]
            if known := _taken(user_id, each, flight, is_mine=is_mine):
                found[user_id] = known
        found |= _read([user_id for user_id in user_ids if user_id not in found], joined)
        return found
    finally:
        for user_id, (flight, is_mine) in joined.items():
            if is_mine:
                flights.land(user_id, flight, found.get(user_id))


def _seen(user_id: str, found: Found, flight: Flight) -> Plain | None:
    """Take what Valkey has when it is seen at sight what that is, and nothing newer was announced."""
    known = plain.read(user_id, found.packet)
    if known is None or known.head.catalog > memory.catalog or not facts.knows(memory.catalog):
        return None
    version, now = known.version, time.monotonic()
    if version < flight.floor or not table.knows(known.head.ref):
        return None
    if is_heard := line.trusted_until > now:
        flights.settle(flight, version, memory.put, user_id, found.packet, now + found.seconds)
    gauges.HITS_VALKEY.note(soon=is_heard)
    return known


def _taken(user_id: str, found: Found, flight: Flight, *, is_mine: bool) -> Facts | None:
    """Take what Valkey has, unless it cannot be read here or something newer was announced."""
    try:
        known = packing.unpack(user_id, found.packet, catalog=memory.catalog)
    except ShapeMissing:
        return None
    _learn_catalog(known.catalog)
    if not flight.allows(known.version):
        return None
    _remember(known, found.packet, time.monotonic() + found.seconds, flight, is_mine)
    gauges.HITS_VALKEY.note(soon=line.is_up())
    return known


def _read_one(user_id: str, flight: Flight) -> Facts:
    """Read one from Postgres; Valkey gets it when he has his answer."""
    gauges.MISSES.inc()
    began = time.monotonic()
    known, packet, shapes = fetching.fetch(user_id)
    _learn_catalog(known.catalog)
    change = _change(known, packet, shapes)
    if time.monotonic() - began <= SLOWEST_SECONDS:
        # Of anything newer this process hears, as of all that it remembers.
        _remember(known, packet, began + change.seconds, flight, is_mine=True)
        shelving.later(change, began)
    return known


def _read(user_ids: list[str], joined: dict[str, tuple[Flight, bool]]) -> dict[str, Facts]:
    if not user_ids:
        return {}
    gauges.MISSES.inc(len(user_ids))
    began = time.monotonic()
    read = facts.read_many(user_ids)
    _learn_catalog(max(known.catalog for known in read.values()))
    changes = [change_of(known) for known in read.values()]
    if time.monotonic() - began > SLOWEST_SECONDS:
        return read
    for change, is_newest in zip(changes, shelf.here().keep_all(changes), strict=True):
        if is_newest:
            _remember(read[change.user_id], change.packet, began + change.seconds, *joined[change.user_id])
    return read


def _remember(known: Facts, packet: bytes, end: float, flight: Flight, is_mine: bool) -> None:
    if is_mine and line.is_up() and end > time.monotonic():
        flights.settle(flight, known.version, memory.put, known.user_id, packet, end)


def _learn_catalog(catalog: int) -> None:
    memory.learn_catalog(catalog)
    facts.features(memory.catalog)


flights = Flights()
shelving = Shelving(lambda changes: shelf.here().keep_all(changes), oldest=lambda: SLOWEST_SECONDS)
memory = Memory(lambda: int(settings.SNAPSHOT_MEMORY_BYTES))
line = Line(heard, forget, gauges.tell)
