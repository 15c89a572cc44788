"""What this process remembers of users: packets within a budget of bytes, and of the busiest what they say, unpacked.

Each half has a young and an old part. What is asked for moves to the young one; when that is full it becomes the old
one, and the old one goes: what was not asked for longest is forgotten, without a list that would cost more than it.
"""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from entitlements import packing
from entitlements.facts import Facts
from entitlements.shapes import ShapeMissing

# An object, a key and their place in a table, beside the bytes themselves.
OVERHEAD_BYTES = 180
UNPACKED_BYTES = 3000
# In hundredths of a second since the process began: four bytes for a year.
END = struct.Struct(">I")
BEGAN = time.monotonic()
# Of whom only the newest version is known: what it says may still be told.
OVER = END.pack(0)
Kept = TypeVar("Kept")


class Halves(Generic[Kept]):
    """Remembers what was asked for last, within a budget of bytes."""

    def __init__(self, size: Callable[[str, Kept], int]) -> None:
        self._size = size
        self.young: dict[str, Kept] = {}
        self.old: dict[str, Kept] = {}
        self._bytes = 0

    def get(self, key: str) -> Kept | None:
        """Return what is remembered; reads no lock."""
        found = self.young.get(key)
        return self.old.get(key) if found is None else found

    def is_old(self, key: str) -> bool:
        """Say whether it is about to be forgotten, unless it is put again."""
        return key not in self.young

    def put(self, key: str, kept: Kept, budget: int) -> None:
        """Remember it."""
        if self._bytes > budget // 2:
            self.old, self.young, self._bytes = self.young, {}, 0
        self.old.pop(key, None)
        self.young[key] = kept
        self._bytes += self._size(key, kept)

    def drop(self, key: str) -> None:
        """Forget it."""
        self.young.pop(key, None)
        self.old.pop(key, None)

    def clear(self) -> None:
        """Forget all."""
        self.young, self.old, self._bytes = {}, {}, 0


class Memory:
    """Packets and unpacked facts by user, each until its end on the process's own clock."""

    def __init__(self, budget: Callable[[], int]) -> None:
        self._budget = budget
        self._packets: Halves[bytes] = Halves(lambda key, packet: len(key) + len(packet) + OVERHEAD_BYTES)
        self._facts: Halves[tuple[float, Facts]] = Halves(lambda _key, _facts: UNPACKED_BYTES)
        self._lock = threading.Lock()
        self.catalog = 0

    def __contains__(self, user_id: str) -> bool:
        return self._packets.get(user_id) is not None

    def get(self, user_id: str, now: float) -> Facts | None:
        """Return what is remembered of a user and not over yet."""
        found = self._facts.young.get(user_id)
        if found is None:
            found = self._facts.get(user_id)
            if found is None:
                return self._unpacked(user_id, now)
            self._keep(user_id, found)
        return found[1] if now < found[0] else None

    def put(self, user_id: str, packet: bytes, end: float) -> None:
        """Remember a packet until `end`."""
        with self._lock:
            self._put(user_id, packet, end)

    def replace(self, user_id: str, version: int, packet: bytes | None, end: float) -> None:
        """Take the newer packet in the stead of one that is remembered; when there is none, only its version."""
        with self._lock:
            unpacked, held = self._facts.get(user_id), self._packets.get(user_id)
            if unpacked is not None and unpacked[1].version < version:
                self._facts.drop(user_id)
            if held is None or (old := packing.version_of(held[END.size :])) > version:
                return
            if packet is None and old < version:
                self._put(user_id, packing.bare(version), 0.0)
            elif packet is not None and (old < version or held.startswith(OVER)):
                self._put(user_id, packet, end)

    def learn_catalog(self, catalog: int) -> None:
        """Believe the newest version of the catalog of features that anybody has seen."""
        if catalog > self.catalog:
            with self._lock:
                self.catalog = max(catalog, self.catalog)
                # They name the version that they were unpacked with.
                self._facts.clear()

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._packets.clear()
            self._facts.clear()

    def _put(self, user_id: str, packet: bytes, end: float) -> None:
        self._facts.young.pop(user_id, None)
        self._facts.old.pop(user_id, None)
        self._packets.put(user_id, END.pack(max(0, int((end - BEGAN) * 100))) + packet, self._budget() // 2)

    def _keep(self, user_id: str, found: tuple[float, Facts]) -> None:
        with self._lock:
            # It may have been replaced in between.
            if self._facts.get(user_id) is found:
                self._facts.put(user_id, found, self._budget() // 2)

    def _unpacked(self, user_id: str, now: float) -> Facts | None:
        # What is moved meanwhile is moved to the old ones.
        if user_id not in self._packets.young and user_id not in self._packets.old:
            return None
        with self._lock:
            kept = self._packets.get(user_id)
            if kept is None:
                return None
            end = END.unpack_from(kept)[0] / 100 + BEGAN
            if now >= end:
                return None
            try:
                known = packing.unpack(user_id, kept[END.size :], catalog=self.catalog)
            except ShapeMissing:
                return None
            if self._packets.is_old(user_id):
                self._packets.put(user_id, kept, self._budget() // 2)
            self._facts.put(user_id, (end, known), self._budget() // 2)
        return known
