"""Every Stripe object of the sandbox, whole, in one SQLite file."""

import hashlib
import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sandbox import errors

Obj = dict[str, Any]

SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, id TEXT NOT NULL UNIQUE, created INTEGER NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS objects_by_time ON objects (kind, created DESC, seq DESC);
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
# In the order of lists, or SQLite would take the index above and read every object of the kind.
BELONGS = """
CREATE INDEX IF NOT EXISTS objects_of_{key}
ON objects (kind, json_extract(body, '$."{key}"'), created DESC, seq DESC);
"""
PARENTS = ("customer", "subscription", "invoice", "payment_intent", "charge")
# Rows that `newest` reads at a time.
PAGE = 200
LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class Store:
    """The objects, the seeded ids and the virtual clock.

    One lock lets one request at a time read or write, so a request sees no half-done work of another.
    """

    def __init__(self, path: str, *, seed: int | None = None, fresh: bool = False) -> None:
        self._lock = threading.RLock()
        self._depth = 0
        self._after: list[Callable[[], None]] = []
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode = WAL")
        # A crash of this process loses nothing; a crash of the machine may, and a stand-in can bear that.
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.executescript(SCHEMA + "".join(BELONGS.format(key=key) for key in PARENTS))
        if fresh or self.setting("seed") is None:
            self.clear(seed=seed)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Hold the lock and one SQLite transaction; inside another one, do nothing.

        An error undoes the work, but for a StripeError that keeps it (a declined card).
        """
        with self._lock:
            if self._depth:
                yield
                return
            self._db.execute("BEGIN IMMEDIATE")
            self._depth, self._after = 1, []
            try:
                yield
            except BaseException as error:
                self._finish(keep=isinstance(error, errors.StripeError) and error.keeps)
                raise
            self._finish(keep=True)

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Undo what is written inside, and only that, when any error leaves it."""
        with self.transaction():
            name, waiting = f"s{time.monotonic_ns()}", len(self._after)
            self._db.execute(f"SAVEPOINT {name}")
            try:
                yield
            except BaseException:
                self._db.execute(f"ROLLBACK TO {name}")
                del self._after[waiting:]
                raise
            finally:
                self._db.execute(f"RELEASE {name}")

    def after_commit(self, action: Callable[[], None]) -> None:
        """Run an action once the transaction stands; nothing runs when it is undone."""
        if self._depth:
            self._after.append(action)
        else:
            action()

    def new_id(self, prefix: str) -> str:
        """Make the next id, the same one for the same seed and the same order of calls."""
        return f"{prefix}_{self.token(24)}"

    def token(self, length: int, *, series: str = "ids") -> str:
        """Make the next string of letters and digits, at most 40 of them; each series counts for itself."""
        with self.transaction():
            count = int(self.setting(series, 0)) + 1
            self.set_setting(series, count)
            number = int.from_bytes(hashlib.sha256(f"{self.setting('seed')}:{series}:{count}".encode()).digest(), "big")
        return "".join(LETTERS[number // 62**place % 62] for place in range(length))

    def now(self, customer: str | None = None) -> int:
        """Give the moment in unix seconds: the customer's test clock if it has one, else the global virtual clock."""
        clock = self._clock_of(customer) if customer else None
        return clock if clock is not None else int(time.time()) + int(self.setting("clock_offset", 0))

    def get(self, kind: str, id: str, *, param: str = "id") -> Obj:
        """Give one object; raise Stripe's resource_missing, on `param` where another object's request names it."""
        found = self.lookup(id)
        if found is None or found["object"] != kind:
            raise errors.missing(kind, id, param)
        return found

    def lookup(self, id: str) -> Obj | None:
        """Give the object of any kind that has this id."""
        with self._lock:
            row = self._db.execute("SELECT body FROM objects WHERE id = ?", (id,)).fetchone()
        return json.loads(row[0]) if row else None

    def newest(self, kind: str, **equal: Any) -> Iterator[Obj]:
        """Give the objects of a kind one by one, newest first, for readers who stop early."""
        query, values = _query(kind, equal)
        after = (2**62, 2**62)
        while True:
            with self._lock:
                page = self._db.execute(
                    f"{query} AND (created, seq) < (?, ?) ORDER BY created DESC, seq DESC LIMIT {PAGE}",
                    [*values, *after],
                ).fetchall()
            yield from (json.loads(row[0]) for row in page)
            if len(page) < PAGE:
                return
            after = page[-1][1:]

    def find(self, kind: str, where: Callable[[Obj], bool] | None = None, **equal: Any) -> list[Obj]:
        """Give the objects of a kind, newest first; `equal` compares top-level keys."""
        query, values = _query(kind, equal)
        with self._lock:
            rows = self._db.execute(query + " ORDER BY created DESC, seq DESC", values).fetchall()
        found = [json.loads(row[0]) for row in rows]
        return [obj for obj in found if where(obj)] if where else found

    def put(self, obj: Obj) -> Obj:
        """Insert or replace an object by its id; it keeps its place in lists."""
        row = (obj["object"], obj["id"], int(obj.get("created") or 0), json.dumps(obj))
        with self._lock:
            self._db.execute(
                "INSERT INTO objects (kind, id, created, body) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (id) DO UPDATE"
                " SET kind = excluded.kind, created = excluded.created, body = excluded.body",
                row,
            )
        return obj

    def drop(self, kind: str, id: str) -> None:
        """Remove an object; an absent one is no error."""
        with self._lock:
            self._db.execute("DELETE FROM objects WHERE kind = ? AND id = ?", (kind, id))

    def setting(self, name: str, default: Any = None) -> Any:
        """Read one value that the sandbox keeps about itself."""
        with self._lock:
            row = self._db.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
        return json.loads(row[0]) if row else default

    def set_setting(self, name: str, value: Any) -> None:
        """Write one value that the sandbox keeps about itself."""
        with self._lock:
            self._db.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, json.dumps(value)))

    def clear(self, *, seed: int | None = None) -> None:
        """Forget everything; without a seed, ids never repeat those of an earlier run."""
        with self.transaction():
            self._db.execute("DELETE FROM objects")
            self._db.execute("DELETE FROM settings")
            self.set_setting("seed", time.time_ns() if seed is None else seed)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def _clock_of(self, customer: str) -> int | None:
        owner = self.lookup(customer) or {}
        clock = self.lookup(owner["test_clock"]) if owner.get("test_clock") else None
        return int(clock["frozen_time"]) if clock else None

    def _finish(self, *, keep: bool) -> None:
        waiting, self._after, self._depth = self._after, [], 0
        self._db.execute("COMMIT" if keep else "ROLLBACK")
        if keep:
            for action in waiting:
                action()


def _query(kind: str, equal: dict[str, Any]) -> tuple[str, list[Any]]:
    query = "SELECT body, created, seq FROM objects WHERE kind = ?"
    for key in equal:
        # The same words as in the indexes, or SQLite would not use them; keys come from our own code alone.
        query += f" AND json_extract(body, '$.\"{key}\"') IS ?"  # noqa: S608
    return query, [kind, *equal.values()]
