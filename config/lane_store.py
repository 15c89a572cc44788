"""Events that come at the same moment are stored together: one statement and one commit for all who wait."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from billing import webhooks
from events.groups import Group
from events.prepared import Prepared

MOST_TOGETHER, PATIENCE_SECONDS = 128, 10.0


class Letter:
    """One event's row, and what is known of it: new, stored before, or None when nobody knows."""

    __slots__ = ("looks", "new", "request_id", "route", "row", "seconds", "started")

    def __init__(self, row: webhooks.Row, *, looks: bool, route: str, request_id: str, started: float):
        self.row, self.looks, self.route, self.request_id = row, looks, route, request_id
        self.started, self.seconds = started, 0.0
        self.new: bool | None = None


class Store:
    """The letters of one process."""

    def __init__(self, write: Callable[[list[webhooks.Row]], set[str]], stored: Callable[[Sequence[Letter]], None]):
        self._write, self._stored = write, stored
        self._group = Group(self._write_down, most=MOST_TOGETHER, patience=PATIENCE_SECONDS)

    def keep(self, letter: Letter) -> bool | None:
        """Store it with all that wait, commit, and say whether it is new; None: it is not known to be stored."""
        if letters := self._group.join(letter):
            self._stored(letters)
        return letter.new

    def _write_down(self, letters: Sequence[Letter]) -> None:
        new = self._write([letter.row for letter in letters])
        now = time.perf_counter()
        for letter in letters:
            letter.seconds = now - letter.started
            # Of two with one id in the same moment the first is new.
            letter.new = letter.row[0] in new
            new.discard(letter.row[0])


# A row that somebody holds is Django's matter.
PREPARED = Prepared("store_webhooks", webhooks.PREPARED, lock_milliseconds=250)


def write(rows: list[webhooks.Row]) -> set[str]:
    """Store rows in one statement, all or none, and return the ids of the new ones.

    Raises psycopg.Error; the commit may have been done then.
    """
    return {id for (id,) in PREPARED.run(webhooks.columns(rows))}
