"""Events that come at the same moment are stored together: one statement and one commit for all who wait.

The first who comes writes all that wait, wakes them, and hands the pen to the next who has come meanwhile. There is one
connection for it in a process, in autocommit, with the statement prepared; one that breaks is replaced.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg
import structlog
from django.db import connection
from psycopg.pq import ConnStatus, ExecStatus

from billing import webhooks

log = structlog.get_logger("farebox.lane")
MOST_TOGETHER = 128
STATEMENT = b"store_webhooks"
# Who waits here can be answered by Django: a row that somebody holds, or a server that does not answer, is its matter.
IMPATIENT = " -c lock_timeout=250ms -c statement_timeout=5s"
CONNECT_SECONDS = 2
# When there is no connection to be had everything is Django's for so long.
STILL_SECONDS = 1.0


class Letter:
    """One event's row, and what is known of it: new, stored before, or None when nobody knows."""

    __slots__ = ("leads", "looks", "new", "request_id", "route", "row", "seconds", "started", "turn")

    def __init__(self, row: webhooks.Row, *, looks: bool, route: str, request_id: str, started: float):
        self.row, self.looks, self.route, self.request_id = row, looks, route, request_id
        self.started, self.seconds = started, 0.0
        self.new: bool | None = None
        self.leads = False
        self.turn = threading.Lock()
        self.turn.acquire()


class Store:
    """The letters of one process."""

    def __init__(self, write: Callable[[list[webhooks.Row]], set[str]], stored: Callable[[list[Letter]], None]):
        self._write, self._stored = write, stored
        self._waiting: list[Letter] = []
        self._lock = threading.Lock()
        self._busy = False

    def keep(self, letter: Letter) -> bool | None:
        """Store it with all that wait, commit, and say whether it is new; None: it is not known to be stored."""
        with self._lock:
            self._waiting.append(letter)
            letter.leads, self._busy = not self._busy, True
        if not letter.leads:
            letter.turn.acquire()
        if letter.leads:
            self._write_down(letter)
        return letter.new

    def _write_down(self, own: Letter) -> None:
        letters = self._waiting[:MOST_TOGETHER]
        try:
            new = self._write([letter.row for letter in letters])
            now = time.perf_counter()
            for letter in letters:
                letter.seconds = now - letter.started
                # Of two with one id in the same moment the first is new.
                letter.new = letter.row[0] in new
                new.discard(letter.row[0])
        finally:
            with self._lock:
                del self._waiting[: len(letters)]
                heir = self._waiting[0] if self._waiting else None
                self._busy = heir is not None
            if heir:
                heir.leads = True
                heir.turn.release()
            for letter in letters:
                if letter is not own:
                    letter.turn.release()
        if own.new is not None:
            self._stored(letters)


class Pen:
    """The connection that stores; whoever holds it is alone."""

    def __init__(self) -> None:
        self._own: psycopg.Connection[Any] | None = None
        self._pid = 0
        self._still_until = 0.0

    def write(self, rows: list[webhooks.Row]) -> set[str]:
        """Store rows in one statement, all or none, and return the ids of the new ones.

        Raises psycopg.Error; the commit may have been done then.
        """
        if time.monotonic() < self._still_until:
            raise psycopg.OperationalError("The lane keeps still.")
        try:
            return self._written(webhooks.columns(rows))
        except psycopg.Error as reason:
            if not self._own:
                self._still_until = time.monotonic() + STILL_SECONDS
            elif self._own.pgconn.status != ConnStatus.OK or isinstance(reason, psycopg.errors.InvalidSqlStatementName):
                log.warning("lane connection lost", reason=type(reason).__name__)
                self._own.close()
                self._own = None
            raise

    def _written(self, columns: list[str]) -> set[str]:
        # After a fork it is the parent's.
        if self._own is None or self._pid != os.getpid():
            self._own, self._pid = None, os.getpid()
            self._own = _connected()
        found = self._own.pgconn.exec_prepared(STATEMENT, [column.encode() for column in columns])
        if found.status != ExecStatus.TUPLES_OK:
            raise psycopg.errors.error_from_result(found)
        return {str(found.get_value(number, 0), "utf-8") for number in range(found.ntuples)}  # type: ignore[arg-type]


def _connected() -> psycopg.Connection[Any]:
    wanted = connection.get_connection_params()
    wanted["options"] = wanted.get("options", "") + IMPATIENT
    own = psycopg.connect(**wanted, autocommit=True, connect_timeout=CONNECT_SECONDS)
    made = own.pgconn.prepare(STATEMENT, webhooks.PREPARED.encode())
    if made.status != ExecStatus.COMMAND_OK:
        own.close()
        raise psycopg.errors.error_from_result(made)
    return own


pen = Pen()
