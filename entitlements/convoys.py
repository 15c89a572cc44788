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
from entitlements.together import Entry, Item
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
    use: Use
    asking: Asking
    entry: Entry
    now: datetime
    gone: Gone | None = None


class Convoy:
    """One at a time is under way; it has a connection of its own, which no transaction keeps."""

    def __init__(self) -> None:
        self.group = Group(self._go, most=MOST, patience=PATIENCE_SECONDS)
        self.prepared = Prepared("together", PREPARED, lock_milliseconds=LOCK_MILLISECONDS)

    def ride(self, use: Use, asking: Asking, entry: Entry, now: datetime) -> Gone | None:
        """Write down a use that `entry` pays for, together with others'. None: ask for it alone."""
        seat = _Seat(use, asking, entry, now)
        self.group.join(seat)
        return seat.gone

    def _go(self, group: Sequence[_Seat]) -> None:
        # It may have been written down all the same: whoever asks for himself is told so.
        with suppress(psycopg.Error), stops.around("commit.entitlements.convoys._go"):
            self._draw(group)

    def _draw(self, group: Sequence[_Seat]) -> None:
        places: dict[Entry, int] = {}
        named: set[tuple[str, str | None]] = set()
        items: list[Item] = []
        seats: list[_Seat] = []
        for seat in group:
            asking = seat.asking
            # Of two under one id the second is told what became of the first.
            if (asking.principal, asking.key) in named:
                continue
            named.add((asking.principal, asking.key))
            place = places.setdefault(seat.entry, len(places) + 1)
            items.append(_item(seat, place))
            seats.append(seat)
        now = min(seat.now for seat in seats)
        said = together.said(self.prepared.run(together.words(list(places), items, now=now, telling=False))[0])
        for number, (seat, item) in enumerate(zip(seats, items, strict=True), 1):
            if number not in said.left_out:
                seat.gone = Gone(item, item.units if item.entry in said.over else 0, said.recorded_at)


def _item(seat: _Seat, entry: int) -> Item:
    use, asking = seat.use, seat.asking
    return Item(
        uuid7(),
        asking.principal,
        use.event_id,
        asking.request_hash,
        use.units,
        use.at or seat.now,
        "{}",
        entry,
    )
