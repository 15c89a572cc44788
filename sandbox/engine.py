"""The parts of a running sandbox that stand behind its addresses."""

import itertools
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from sandbox.delivery import Deliveries
from sandbox.faults import Faults
from sandbox.idempotency import Keys
from sandbox.store import Store


class RequestLog:
    """What clients asked, newest last, in memory."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._entries: deque[dict[str, Any]] = deque(maxlen=5000)

    def add(self, **entry: Any) -> None:
        """Note one request with its number and the real time."""
        with self._lock:
            self._entries.append({"number": next(self._numbers), "created": time.time()} | entry)

    def since(self, number: int) -> list[dict[str, Any]]:
        """Give the requests after this number."""
        with self._lock:
            return [entry for entry in self._entries if entry["number"] > number]

    def clear(self) -> None:
        """Forget the requests; their numbers go on."""
        with self._lock:
            self._entries.clear()


@dataclass(slots=True)
class Engine:
    """One sandbox: its objects, keys, faults, deliveries and request log."""

    store: Store
    base_url: str = ""
    webhook_url: str | None = None
    webhook_secret: str | None = None
    keys: Keys = field(init=False)
    faults: Faults = field(default_factory=Faults)
    deliveries: Deliveries = field(init=False)
    requests: RequestLog = field(default_factory=RequestLog)

    def __post_init__(self) -> None:
        self.keys = Keys(self.store)
        self.deliveries = Deliveries(self.store)
        self.store.set_setting("base_url", self.base_url)

    def reset(self, seed: int | None) -> None:
        """Empty everything."""
        self.deliveries.wait_until_idle()
        self.store.clear(seed=seed)
        self.store.set_setting("base_url", self.base_url)
        self.faults.clear()
        self.requests.clear()
        self.deliveries.log.clear()
