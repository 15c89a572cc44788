"""One statement, prepared on a connection of its own in autocommit: for those who cannot pay for more than it takes."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any

import psycopg
import structlog
from django.db import connection
from psycopg.abc import Transformer as Reader
from psycopg.adapt import AdaptersMap, Transformer
from psycopg.pq import ConnStatus, ExecStatus, Format
from psycopg.pq.abc import PGresult
from psycopg.types.string import ByteaBinaryLoader

log = structlog.get_logger("farebox.prepared")
OF_DJANGO = {"context", "cursor_factory", "prepare_threshold"}
# Nobody waits here for a server that does not answer: there is a slower way for everything.
TIMEOUTS = {"connect_timeout": 2, "tcp_user_timeout": 5000}
STATEMENT_SECONDS = 5
# When there is no connection to be had none is asked for during so many.
STILL_SECONDS = 1.0


class Raw:
    """Has every value read as the bytes that it came in."""

    connection = None
    adapters = AdaptersMap()
    # Of every type that has no other.
    adapters.register_loader(0, ByteaBinaryLoader)


class Prepared:
    """A statement with marks `$1`, `$2` ...; whoever runs it is alone. A connection that broke is replaced.

    `settings` are those of its connection, as Postgres names them.
    """

    def __init__(self, name: str, statement: str, *, lock_milliseconds: int, **settings: str):
        self._name, self._statement = name.encode(), statement.encode()
        said = {"lock_timeout": lock_milliseconds, "statement_timeout": f"{STATEMENT_SECONDS}s", "timezone": "UTC"}
        self._options = "".join(f" -c {word}={value}" for word, value in {**said, **settings}.items())
        self._own: psycopg.Connection[Any] | None = None
        self._reader: Reader | None = None
        self._raw: Reader = Transformer(Raw())
        self._pid = 0
        self._still_until = 0.0

    def run(self, words: Sequence[str]) -> list[tuple[Any, ...]]:
        """Run it with values as Postgres reads them, and return its rows.

        Raises psycopg.Error; the commit may have been done then.
        """
        found = self._asked([word.encode() for word in words], Format.TEXT)
        if self._reader is None:
            # It remembers how each column is read.
            self._reader = Transformer(self._own)
        self._reader.set_pgresult(found)
        return self._reader.load_rows(0, found.ntuples, tuple)

    def run_raw(self, words: Sequence[bytes]) -> list[tuple[Any, ...]]:
        """Do so with values as Postgres sends them, and return such; NULL as None. Raises the same."""
        found = self._asked(words, Format.BINARY)
        self._raw.set_pgresult(found, format=Format.BINARY)
        return self._raw.load_rows(0, found.ntuples, tuple)

    def close(self) -> None:
        """End the connection; the next run opens another."""
        if self._own is not None:
            self._own.close()
        self._own = self._reader = None

    def _asked(self, words: Sequence[bytes], written: Format) -> PGresult:
        if time.monotonic() < self._still_until:
            raise psycopg.OperationalError("There was no connection a moment ago.")
        try:
            return self._answer(words, written)
        except psycopg.Error as reason:
            self._look_at(reason)
            raise

    def _answer(self, words: Sequence[bytes], written: Format) -> PGresult:
        # After a fork it is the parent's.
        if self._own is None or self._pid != os.getpid():
            self._own, self._reader, self._pid = None, None, os.getpid()
            self._own = self._connected()
        # A cursor of psycopg's takes longer than the statement.
        found = self._own.pgconn.exec_prepared(self._name, words, [written] * len(words), written)
        if found.status != ExecStatus.TUPLES_OK:
            raise psycopg.errors.error_from_result(found)
        return found

    def _connected(self) -> psycopg.Connection[Any]:
        words = {name: word for name, word in connection.get_connection_params().items() if name not in OF_DJANGO}
        words["options"] = f"{words.get('options') or ''}{self._options}"
        own = psycopg.connect(**{**words, **TIMEOUTS}, autocommit=True)
        made = own.pgconn.prepare(self._name, self._statement)
        if made.status != ExecStatus.COMMAND_OK:
            own.close()
            raise psycopg.errors.error_from_result(made)
        return own

    def _look_at(self, reason: psycopg.Error) -> None:
        if self._own is None:
            self._still_until = time.monotonic() + STILL_SECONDS
        elif self._own.pgconn.status != ConnStatus.OK or isinstance(reason, psycopg.errors.InvalidSqlStatementName):
            log.warning("connection lost", statement=self._name.decode(), reason=type(reason).__name__)
            self.close()
