"""One fetch a user at a time, and whether what it brings may be remembered."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from entitlements.facts import Facts
from entitlements.plain import Plain

# Whoever waits longer for another's fetch makes one of his own.
PATIENCE_SECONDS = 2.0


class Flight:
    """A fetch that is under way. `floor` is the newest version that was announced since it began."""

    __slots__ = ("_flying", "_result", "floor", "spoiled")

    def __init__(self) -> None:
        self.floor = 0
        self.spoiled = False
        self._result: Facts | Plain | None = None
        # Made by the first who waits, and held until it lands.
        self._flying: threading.Lock | None = None

    def hold(self) -> None:
        """Let somebody wait for it, who asked while it was under way."""
        if self._flying is None:
            self._flying = threading.Lock()
            self._flying.acquire()

    def land(self, known: Facts | Plain | None) -> None:
        """Give those who wait what was fetched."""
        self._result = known
        if self._flying is not None:
            self._flying.release()

    def wait(self) -> Facts | Plain | None:
        """Return what another fetched; None when it failed, takes too long, or is older than what was announced."""
        if self._flying is None or not self._flying.acquire(timeout=PATIENCE_SECONDS):
            return None
        # The next one who waits is let through in turn.
        self._flying.release()
        known = self._result
        return known if known is not None and self.allows(known.version) else None

    def allows(self, version: int) -> bool:
        """Say whether what was fetched is as new as what was announced meanwhile."""
        return version >= self.floor


class Flights:
    """The fetches of this process that are under way, by user."""

    def __init__(self) -> None:
        self._under_way: dict[str, Flight] = {}
        self._lock = threading.Lock()

    def join(self, user_id: str) -> tuple[Flight, bool]:
        """Return the fetch of this user, and whether it is the caller's to make."""
        with self._lock:
            if (flight := self._under_way.get(user_id)) is not None:
                flight.hold()
                return flight, False
            flight = self._under_way[user_id] = Flight()
            return flight, True

    def land(self, user_id: str, flight: Flight, known: Facts | Plain | None) -> None:
        """End a fetch, however it went, and give those who wait what was found."""
        with self._lock:
            # From here on nobody begins to wait for it.
            del self._under_way[user_id]
        flight.land(known)

    def settle(self, flight: Flight, version: int, remember: Callable[..., None], *what: Any) -> None:
        """Remember what was fetched, unless something newer was announced meanwhile, or may have been."""
        with self._lock:
            if version >= flight.floor and not flight.spoiled:
                remember(*what)

    def announce(self, user_id: str, version: int) -> None:
        """Let nothing older than this version be remembered by whoever fetches now."""
        with self._lock:
            if (flight := self._under_way.get(user_id)) is not None:
                flight.floor = max(flight.floor, version)

    def spoil(self) -> None:
        """Let nothing be remembered of what is fetched now: announcements may have been missed."""
        with self._lock:
            for flight in self._under_way.values():
                flight.spoiled = True
