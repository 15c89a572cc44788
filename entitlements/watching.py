"""Looks at Postgres for all who listen in this process: a change is seen soon also when nobody tells of it.

One question for all of them, every so often: if hundreds each looked for themselves, most would wait for a connection.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Collection, Mapping

import structlog
from django.db import DatabaseError, connection

LOOK_SECONDS = 0.75
READ = "SELECT user_id, version FROM entitlements_epoch WHERE user_id = ANY(%s)"
log = structlog.get_logger("farebox.entitlements")


class Watch:
    """A thread that looks at the versions of `users`, as long as there are any, and calls `ring` for each new one."""

    def __init__(self, users: Callable[[], Collection[str]], ring: Callable[[str], None]) -> None:
        self._users, self._ring = users, ring
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        os.register_at_fork(after_in_child=self._forked)

    def begin(self) -> None:
        """Look, if nobody does in this process. Who is looked at for the first time is rung for."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._watching, name="changes looked at", daemon=True)
                self._thread.start()

    def _watching(self) -> None:
        known: Mapping[str, int] = {}
        try:
            while users := self._wanted():
                known = self._look(users, known)
                time.sleep(LOOK_SECONDS)
        finally:
            with self._lock:
                if self._thread is threading.current_thread():
                    self._thread = None

    def _wanted(self) -> list[str]:
        with self._lock:
            users = list(self._users())
            if not users:
                # Whoever comes after this begins anew.
                self._thread = None
            return users

    def _look(self, users: list[str], known: Mapping[str, int]) -> Mapping[str, int]:
        try:
            with connection.cursor() as cursor:
                cursor.execute(READ, [["", *users]])
                found = {**dict.fromkeys(users, 0), **dict(cursor.fetchall())}
        except DatabaseError as reason:
            log.warning("changes of entitlements are not looked at", reason=type(reason).__name__)
            return known
        finally:
            connection.close()
        for user_id, version in found.items():
            if known.get(user_id) != version:
                self._ring(user_id)
        return found

    def _forked(self) -> None:
        # The thread is the parent's.
        self._thread, self._lock = None, threading.Lock()
