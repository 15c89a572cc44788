"""Group commit: those who come while one is at work wait, and the next of them does the work of all.

Leader and followers: whoever finds nobody at work leads, takes all who wait, and hands on to the first who has come
meanwhile. So a statement, and its commit, serves as many as came during the one before it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

One = TypeVar("One")


class _Place(Generic[One]):
    __slots__ = ("leads", "one", "turn")

    def __init__(self, one: One):
        self.one, self.leads = one, False
        self.turn = threading.Lock()
        self.turn.acquire()


class Group(Generic[One]):
    """One process's; `work` is done for at most `most` at a time, and notes on each what became of it.

    Nobody waits longer than `patience` seconds for another's work.
    """

    def __init__(self, work: Callable[[Sequence[One]], None], *, most: int, patience: float):
        self._work, self._most, self._patience = work, most, patience
        self._lock = threading.Lock()
        self._waiting: deque[_Place[One]] = deque()
        self._under_way = False

    def join(self, one: One) -> Sequence[One]:
        """Have the work done for it, and return all for whom it was done to whoever led; to the others nothing.

        Raises what the work raises, to whoever led. Whose work was not done finds nothing noted.
        """
        place = _Place(one)
        with self._lock:
            self._waiting.append(place)
            place.leads, self._under_way = not self._under_way, True
        if not place.leads and not place.turn.acquire(timeout=self._patience):
            self._leave(place)
        return self._lead(place) if place.leads else ()

    def _leave(self, place: _Place[One]) -> None:
        with self._lock:
            if place in self._waiting and not place.leads:
                self._waiting.remove(place)

    def _lead(self, own: _Place[One]) -> Sequence[One]:
        with self._lock:
            places = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
        led = [place.one for place in places]
        try:
            self._work(led)
        finally:
            self._pass_on()
            for place in places:
                if place is not own:
                    place.turn.release()
        return led

    def _pass_on(self) -> None:
        with self._lock:
            heir = self._waiting[0] if self._waiting else None
            self._under_way = heir is not None
            if heir:
                heir.leads = True
        if heir:
            heir.turn.release()
