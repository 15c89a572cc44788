"""Tells again, soon, what could not be told: whoever was not reached believes what he remembers.

Postgres keeps every version, so what is told again is the version alone: whoever asks for the user reads him.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping

from entitlements.lifetimes import LONGEST_SECONDS

AGAIN_SECONDS = 0.25
Tell = Callable[[Mapping[str, int]], bool]


class Repeats:
    """The versions, by user, that wait to be told by `tell`, which says whether it could.

    After so long as anything may be kept nobody remembers older ones, and nothing needs to be told.
    """

    def __init__(self, tell: Tell, seconds: float = LONGEST_SECONDS) -> None:
        self._tell = tell
        self._seconds = seconds
        self._due: dict[str, tuple[int, float]] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        os.register_at_fork(after_in_child=self._forked)

    @property
    def is_over(self) -> bool:
        """Say whether nothing waits."""
        return self._thread is None

    def later(self, versions: Mapping[str, int]) -> None:
        """Tell these again, and again until it is done."""
        end = time.monotonic() + self._seconds
        with self._lock:
            for user_id, version in versions.items():
                old = self._due.get(user_id, (0, 0.0))[0]
                self._due[user_id] = max(version, old), end
            if self._thread is None:
                self._thread = threading.Thread(target=self._telling, name="changes told again", daemon=True)
                self._thread.start()

    def _telling(self) -> None:
        try:
            while due := self._waiting():
                if self._tell({user_id: version for user_id, (version, _end) in due.items()}):
                    self._done(due)
        finally:
            with self._lock:
                if self._thread is threading.current_thread():
                    self._thread = None

    def _waiting(self) -> dict[str, tuple[int, float]]:
        time.sleep(AGAIN_SECONDS)
        now = time.monotonic()
        with self._lock:
            self._due = {user_id: each for user_id, each in self._due.items() if each[1] > now}
            if not self._due:
                # Whoever comes after this starts another thread.
                self._thread = None
            return dict(self._due)

    def _done(self, due: Mapping[str, tuple[int, float]]) -> None:
        with self._lock:
            for user_id, each in due.items():
                if self._due.get(user_id) == each:
                    del self._due[user_id]

    def _forked(self) -> None:
        # The thread is the parent's, and so is what waits.
        self._due, self._thread, self._lock = {}, None, threading.Lock()
