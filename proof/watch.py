"""Watching for a change beside the work that causes it, so that its moment is known."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Self

PAUSE = 0.01


class Watch:
    """Asks in its own thread until the answer is yes, and keeps the moment (unix seconds, the wall clock)."""

    def __init__(self, ask: Callable[[], bool]):
        self._ask = ask
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.at: float | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stopped.is_set():
            if self._ask():
                self.at = time.time()
                return
            self._stopped.wait(PAUSE)
