"""Callers who wait at the same moment go together: one statement for all of them, and each gets his own answer.

Whoever finds nobody under way leads: he takes all who wait, asks the database once, and tells each. What does not fit
as a sum, what was written down before, and everything when the statement fails is told as not gone: then each asks for
himself, and his event's id tells what became of it.
"""

from __future__ import annotations

import itertools
import re
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg
from django.db import connection
from psycopg.adapt import Transformer
from psycopg.pq import ExecStatus

from entitlements import together
from entitlements.together import Entry, Item
from entitlements.usage import Use
from events.asking import Asking
from events.ids import uuid7
from vault import stops

# Of one statement.
MOST = 256
# Who waited so long asks for himself. Nobody waits for one locked counter as long as he would alone.
PATIENCE_SECONDS = 10.0
LIMITS = "-c lock_timeout=1s -c statement_timeout=5s -c timezone=UTC"
TIMEOUTS = {"connect_timeout": 5, "tcp_user_timeout": 5000}
NAME = b"together"
numbers = itertools.count(1)
PREPARED = re.sub("%s", lambda _: f"${next(numbers)}", together.STATEMENT)
OF_DJANGO = {"context", "cursor_factory", "prepare_threshold"}


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
    gate: threading.Lock = field(default_factory=threading.Lock)
    leads: bool = False
    gone: Gone | None = None

    def __post_init__(self) -> None:
        self.gate.acquire()


class Convoy:
    """One at a time is under way; it has a connection of its own, which no transaction keeps."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[_Seat] = deque()
        self._under_way = False
        self._own: psycopg.Connection | None = None

    def ride(self, use: Use, asking: Asking, entry: Entry, now: datetime) -> Gone | None:
        """Write down a use that `entry` pays for, together with others'. None: ask for it alone."""
        seat = _Seat(use, asking, entry, now)
        with self._lock:
            self._waiting.append(seat)
            seat.leads, self._under_way = not self._under_way, True
        if not seat.leads and not seat.gate.acquire(timeout=PATIENCE_SECONDS):
            self._leave(seat)
        if seat.leads:
            self._lead()
        return seat.gone

    def _leave(self, seat: _Seat) -> None:
        with self._lock:
            if seat in self._waiting and not seat.leads:
                self._waiting.remove(seat)

    def _lead(self) -> None:
        with self._lock:
            group = [self._waiting.popleft() for _ in range(min(MOST, len(self._waiting)))]
        try:
            self._go(group)
        finally:
            self._pass_on()
            for seat in group[1:]:
                seat.gate.release()

    def _pass_on(self) -> None:
        with self._lock:
            follower = self._waiting[0] if self._waiting else None
            if follower:
                follower.leads = True
            else:
                self._under_way = False
        if follower:
            follower.gate.release()

    def _go(self, group: Sequence[_Seat]) -> None:
        try:
            with stops.around("commit.entitlements.convoys._go"):
                self._draw(group)
        except psycopg.Error:
            # It may have been written down all the same: whoever asks for himself is told so.
            if self._own is not None and self._own.broken:
                self._own = None

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
        said = together.said(self._asked(together.words(list(places), items, now=now, telling=False)))
        for number, (seat, item) in enumerate(zip(seats, items, strict=True), 1):
            if number not in said.left_out:
                seat.gone = Gone(item, item.units if item.entry in said.over else 0, said.recorded_at)

    def _asked(self, words: Sequence[str]) -> tuple[Any, ...]:
        own = self._connected()
        # A cursor of psycopg's takes longer than the statement.
        result = own.pgconn.exec_prepared(NAME, [word.encode() for word in words])
        if result.status != ExecStatus.TUPLES_OK:
            raise psycopg.OperationalError(result.error_message.decode(errors="replace"))
        reader = Transformer(own)
        reader.set_pgresult(result)
        return reader.load_row(0, tuple)

    def _connected(self) -> psycopg.Connection:
        if self._own is None or self._own.closed:
            words = {name: word for name, word in connection.get_connection_params().items() if name not in OF_DJANGO}
            words["options"] = f"{words.get('options', '')} {LIMITS}"
            own = psycopg.connect(**{**TIMEOUTS, **words}, autocommit=True)
            prepared = own.pgconn.prepare(NAME, PREPARED.encode())
            if prepared.status != ExecStatus.COMMAND_OK:
                raise psycopg.OperationalError(prepared.error_message.decode(errors="replace"))
            self._own = own
        return self._own


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
