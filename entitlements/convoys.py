"""Callers who wait at the same moment go together: one statement for all of them, and each gets his own answer.

Whoever finds nobody under way leads: he takes all who wait, asks the database once, and tells each. What does not fit
as a sum, what was written down before, and everything when the statement fails is told as not gone: then each asks for
himself, and his event's id tells what became of it.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import psycopg

from entitlements import together
from entitlements.together import Cells, Entry, Item, Said
from entitlements.usage import Use
from events.asking import Asking
from events.groups import Group
from events.ids import uuid7
from events.prepared import Prepared
from vault import stops

# Of one statement.
MOST = 256
# Who waited so long asks for himself. Nobody waits for one locked counter as long as he would alone.
PATIENCE_SECONDS, LOCK_MILLISECONDS = 10.0, 1000
numbers = itertools.count(1)
PREPARED = re.sub("%s", lambda _: f"${next(numbers)}", together.STATEMENT)


@dataclass(frozen=True, slots=True)
class Gone:
    """A use that was written down: by its row's id, as it came to stand there."""

    item: Item
    overage: int
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Told:
    """What became of the uses of one caller, by their places from 1 on, as `Said` tells it."""

    left_out: frozenset[int]
    past: Mapping[int, tuple[UUID, str]]
    over: frozenset[int]
    recorded_at: datetime


@dataclass(slots=True, eq=False)
class Load:
    """The uses of one caller, each of another key: `places` say from 1 on which of the entries pays for it."""

    principal: str
    items: Sequence[Item]
    entries: Sequence[Entry]
    places: Sequence[int]
    now: datetime
    cells: Cells = field(init=False)
    told: Told | None = None

    def __post_init__(self) -> None:
        """Write down what can be written before it is this load's turn."""
        self.cells = together.cells_of_items(self.items)


class Convoy:
    """One at a time is under way; it has a connection of its own, which no transaction keeps."""

    def __init__(self, *, most: int = MOST) -> None:
        self.group = Group(self._go, most=most, patience=PATIENCE_SECONDS)
        self.prepared = Prepared("together", PREPARED, lock_milliseconds=LOCK_MILLISECONDS)

    def ride(self, use: Use, asking: Asking, entry: Entry, now: datetime) -> Gone | None:
        """Write down a use that `entry` pays for, together with others'. None: ask for it alone."""
        named = uuid7(), asking.principal, use.event_id, asking.request_hash
        item = Item(*named, use.units, use.at or now, "{}", 1)
        told = self.carry(Load(asking.principal, (item,), (entry,), (1,), now))
        if told is None or told.left_out:
            return None
        return Gone(item, item.units if told.over else 0, told.recorded_at)

    def carry(self, load: Load) -> Told | None:
        """Write down all of a load that fits. None: ask for it alone."""
        self.group.join(load)
        return load.told

    def _go(self, group: Sequence[Load]) -> None:
        # It may have been written down all the same: whoever asks for himself is told so.
        with suppress(psycopg.Error), stops.around("commit.entitlements.convoys._go"):
            self._draw(_apart(group))

    def _draw(self, loads: Sequence[Load]) -> None:
        numbers: dict[Entry, int] = {}
        places: list[int] = []
        for load in loads:
            own = [numbers.setdefault(entry, len(numbers) + 1) for entry in load.entries]
            places += [own[place - 1] for place in load.places]
        now = min([load.now for load in loads])
        words = together.packed(numbers, [load.cells for load in loads], places, now=now)
        said = together.said(self.prepared.run(words)[0])
        before = 0
        if not (said.left_out or said.past or said.over):
            every = Told(frozenset(), {}, frozenset(), said.recorded_at)
            for load in loads:
                load.told = every
            return
        for load in loads:
            load.told = _told(said, places, before, before + len(load.items))
            before += len(load.items)


def _apart(group: Sequence[Load]) -> list[Load]:
    """Leave out who brings an id that another has brought: he is told what became of it when he asks for himself."""
    named: dict[str, set[str]] = {}
    loads = []
    for load in group:
        keys, taken = {item.key for item in load.items}, named.setdefault(load.principal, set())
        if taken.isdisjoint(keys):
            taken |= keys
            loads.append(load)
    return loads


def _told(said: Said, places: Sequence[int], before: int, end: int) -> Told:
    """Tell one load, whose uses are those after `before`, to `end`."""
    return Told(
        frozenset([place - before for place in said.left_out if before < place <= end]),
        {place - before: row for place, row in said.past.items() if before < place <= end},
        frozenset([number for number, place in enumerate(places[before:end], 1) if place in said.over])
        if said.over
        else frozenset(),
        said.recorded_at,
    )
