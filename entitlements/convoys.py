"""Callers who wait at the same moment go together: one statement for all of them, and each gets his own answer.

Whoever finds nobody under way leads: he takes all who wait, asks the database once, and tells each. What does not fit
as a sum, what was written down before, and everything when the statement fails is told as not gone: then each asks for
himself, and his event's id tells what became of it.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import psycopg

from entitlements import together
from entitlements.together import Cells, Entry, Item
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


@dataclass(slots=True, eq=False)
class _Seat:
    entry: Entry
    now: datetime
    item: Item
    cells: Cells
    gone: Gone | None = None


class Convoy:
    """One at a time is under way; it has a connection of its own, which no transaction keeps."""

    def __init__(self) -> None:
        self.group = Group(self._go, most=MOST, patience=PATIENCE_SECONDS)
        self.prepared = Prepared("together", PREPARED, lock_milliseconds=LOCK_MILLISECONDS)

    def ride(self, use: Use, asking: Asking, entry: Entry, now: datetime) -> Gone | None:
        """Write down a use that `entry` pays for, together with others'. None: ask for it alone."""
        item = _item(use, asking, now)
        seat = _Seat(entry, now, item, together.cells_of_item(item))
        self.group.join(seat)
        return seat.gone

    def _go(self, group: Sequence[_Seat]) -> None:
        # It may have been written down all the same: whoever asks for himself is told so.
        with suppress(psycopg.Error), stops.around("commit.entitlements.convoys._go"):
            self._draw(group)

    def _draw(self, group: Sequence[_Seat]) -> None:
        # Of two under one id the second is told what became of the first.
        named: dict[tuple[str, str], _Seat] = {}
        for seat in group:
            named.setdefault((seat.item.principal, seat.item.key), seat)
        seats = list(named.values())
        numbers: dict[Entry, int] = {}
        places = [numbers.setdefault(seat.entry, len(numbers) + 1) for seat in seats]
        now = min([seat.now for seat in seats])
        words = together.packed(list(numbers), [seat.cells for seat in seats], places, now=now)
        said = together.said(self.prepared.run(words)[0])
        for number, (seat, place) in enumerate(zip(seats, places, strict=True), 1):
            if number not in said.left_out:
                seat.gone = Gone(seat.item, seat.item.units if place in said.over else 0, said.recorded_at)


def _item(use: Use, asking: Asking, now: datetime) -> Item:
    return Item(
        uuid7(),
        asking.principal,
        use.event_id,
        asking.request_hash,
        use.units,
        use.at or now,
        "{}",
        0,
    )
