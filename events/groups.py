"""Group commit: those who come while one is at work wait, and the next of them does the work of all.

Leader and followers: whoever finds nobody at work leads, and takes all who wait. Those whose work is done wake each
other one by one, and the last of them hands on to the first who has come meanwhile. So a statement, and its commit,
serves as many as came during the one before it and while its followers woke: woken all at once they would only sleep
again, until it is their turn with the interpreter, and the next statement would serve a half of them.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Generic, TypeVar

One = TypeVar("One")


class _Place(Generic[One]):
    __slots__ = ("in_line", "leads", "left", "next", "one", "turn")

    def __init__(self, one: One):
        self.one, self.leads, self.left, self.in_line = one, False, False, False
        self.next: _Place[One] | None = None
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
        if place.leads:
            return self._lead(place)
        if place.in_line:
            self._hand_on(place)
        return ()

    def _leave(self, place: _Place[One]) -> None:
        with self._lock:
            place.left = not place.leads
            if place in self._waiting and not place.leads:
                self._waiting.remove(place)

    def _lead(self, own: _Place[One]) -> Sequence[One]:
        with self._lock:
            places = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
        led = [place.one for place in places]
        try:
            self._work(led)
        finally:
            self._line_up(own, places)
            self._hand_on(own)
        return led

    def _line_up(self, first: _Place[One], places: list[_Place[One]]) -> None:
        with self._lock:
            # Who has left hears nobody, and would not wake the next. Who leaves from now on does.
            line = [first, *(place for place in places if place is not first and not place.left)]
            for place, follower in pairwise(line):
                place.next, follower.in_line = follower, True

    def _hand_on(self, place: _Place[One]) -> None:
        if place.next:
            place.next.turn.release()
        else:
            self._pass_on()

    def _pass_on(self) -> None:
        with self._lock:
            heir = self._waiting[0] if self._waiting else None
            self._under_way = heir is not None
            if heir:
                heir.leads = True
        if heir:
            heir.turn.release()
