"""Keeps in Valkey what was read for an answer, soon after it: nobody who asks waits for it, and many are kept at once.

It only warms: what is lost here is read again by whoever asks next. What waited for long is not kept at all, because a
newer version that it should meet in Valkey may have come and gone.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from entitlements.shelf import Change

GATHER_SECONDS = 0.005
# When more wait, Valkey is slow, and what comes is dropped.
MOST_WAITING, MOST_AT_ONCE = 2000, 200


class Shelving:
    """What waits to be kept by `keep`, in a thread of its own; nothing that was read over `oldest()` seconds ago."""

    def __init__(self, keep: Callable[[Sequence[Change]], object], *, oldest: Callable[[], float]) -> None:
        self._keep, self._oldest = keep, oldest
        self._begin()
        os.register_at_fork(after_in_child=self._begin)

    @property
    def is_over(self) -> bool:
        """Say whether nothing waits or is being kept."""
        return not self._waiting and not self._is_busy

    def later(self, change: Change, began: float) -> None:
        """Keep what somebody began to read then (`time.monotonic()`)."""
        if len(self._waiting) >= MOST_WAITING:
            return
        self._waiting.append((change, began))
        if self._thread is None or not self._thread.is_alive():
            self._start()
        if not self._bell.is_set():
            self._bell.set()

    def _begin(self) -> None:
        # After a fork the thread is the parent's, and so is what waits.
        self._waiting: deque[tuple[Change, float]] = deque()
        self._bell, self._starting = threading.Event(), threading.Lock()
        self._thread: threading.Thread | None = None
        self._is_busy = False

    def _start(self) -> None:
        with self._starting:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._keeping, name="facts kept in Valkey", daemon=True)
                self._thread.start()

    def _keeping(self) -> None:
        while self._bell.wait():
            self._is_busy = True
            # Those who come meanwhile are kept with the first.
            time.sleep(GATHER_SECONDS)
            self._bell.clear()
            while self._waiting:
                self._keep_some()
            self._is_busy = False

    def _keep_some(self) -> None:
        now, oldest = time.monotonic(), self._oldest()
        count = min(len(self._waiting), MOST_AT_ONCE)
        some = [self._waiting.popleft() for _each in range(count)]
        fresh = [
            change._replace(seconds=change.seconds - (now - began))
            for change, began in some
            if now - began <= oldest and change.seconds > now - began
        ]
        if fresh:
            self._keep(fresh)
