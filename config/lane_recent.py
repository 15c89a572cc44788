"""What a lane has made and may tell again, within a budget of bytes."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import Generic, Protocol, TypeVar


class Sized(Protocol):
    """Something that knows about how many bytes it takes."""

    @property
    def size(self) -> int: ...


Key = TypeVar("Key", bound=Hashable)
Kept = TypeVar("Kept", bound=Sized)


class Recent(Generic[Key, Kept]):
    """The oldest makes room for the newest; reading takes no lock."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._kept: dict[Key, Kept] = {}
        self._lock = threading.Lock()
        self.bytes = 0
        self.get = self._kept.get

    def put(self, key: Key, kept: Kept) -> None:
        """Keep it in the stead of what was kept under this key."""
        with self._lock:
            if (old := self._kept.pop(key, None)) is not None:
                self.bytes -= old.size
            self._kept[key] = kept
            self.bytes += kept.size
            while self.bytes > self._most:
                self.bytes -= self._kept.pop(next(iter(self._kept))).size
