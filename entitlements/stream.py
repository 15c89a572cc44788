"""Tells those who listen, within a second of the commit, that what a user has is another now (EN-11).

A message of Valkey is only a doorbell: what is told is read from Postgres, which is looked at every so often without
any bell too (`watching`). A stream takes a thread of its process while it is open, and ends after a while.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator

from django.conf import settings
from django.db import connection

from entitlements import gauges
from entitlements.errors import StreamsFull
from entitlements.watching import Watch

BEAT_SECONDS = 15.0
RETRY_MILLISECONDS = 1000
READ = """
    SELECT coalesce(max(version) FILTER (WHERE user_id <> ''), 0), coalesce(max(version) FILTER (WHERE user_id = ''), 0)
    FROM entitlements_epoch WHERE user_id IN (%s, '')
"""


class Bell(threading.Event):
    """Rings with every change of a user, and last when another of his has taken its place."""

    is_over = False


class Listeners:
    """Who waits in this process, by user, those who came first in front."""

    def __init__(self) -> None:
        self._bells: dict[str, dict[Bell, None]] = {}
        self._lock = threading.Lock()
        self._count = 0

    def is_full_for(self, user_id: str) -> bool:
        """Say whether another one of this user must go elsewhere."""
        return self._count >= int(settings.STREAMS_PER_PROCESS) and user_id not in self._bells

    def join(self, user_id: str) -> Bell | None:
        """Return a bell that rings with every change of the user; None when there are enough who wait.

        When there are, his own oldest one makes room: a line that broke is noticed only by what is written next, and
        who comes back must not wait for that.
        """
        with self._lock:
            if self.is_full_for(user_id):
                return None
            if self._count >= int(settings.STREAMS_PER_PROCESS):
                self._end(user_id, next(iter(self._bells[user_id])))
            bell = Bell()
            self._bells.setdefault(user_id, {})[bell] = None
            self._count += 1
        gauges.STREAMS.inc()
        return bell

    def users(self) -> list[str]:
        """Return for whom somebody waits."""
        with self._lock:
            return list(self._bells)

    def leave(self, user_id: str, bell: Bell) -> None:
        """Ring it no more."""
        with self._lock:
            if not bell.is_over:
                self._end(user_id, bell)

    def _end(self, user_id: str, bell: Bell) -> None:
        del self._bells[user_id][bell]
        if not self._bells[user_id]:
            del self._bells[user_id]
        self._count -= 1
        bell.is_over = True
        bell.set()
        gauges.STREAMS.dec()

    def ring(self, user_id: str) -> None:
        """Wake those who wait for this user; "" wakes all, for the catalog is everybody's."""
        with self._lock:
            bells = [bell for each in self._bells.values() for bell in each] if not user_id else None
            for bell in self._bells.get(user_id, ()) if bells is None else bells:
                bell.set()


def changes(user_id: str, *, seen: str | None, seconds: float) -> Iterator[bytes]:
    """Return the events of a user as they happen, from what was `seen` last on, for so many seconds at most.

    `seen` is the id of the last event (`Last-Event-ID`): a change that was missed is told at once. Raises StreamsFull.
    """
    if listeners.is_full_for(user_id):
        raise StreamsFull(settings.STREAMS_PER_PROCESS)
    return _changes(user_id, seen, time.monotonic() + min(seconds, settings.STREAM_SECONDS))


def _changes(user_id: str, seen: str | None, end: float) -> Iterator[bytes]:
    # Taken only now: whoever never reads takes no place.
    bell = listeners.join(user_id)
    try:
        yield b"retry: %d\n\n" % RETRY_MILLISECONDS
        if bell is not None:
            watch.begin()
            yield from _told(user_id, seen, end, bell)
    finally:
        # Also of who leaves before he has heard anything.
        if bell is not None:
            listeners.leave(user_id, bell)


def _told(user_id: str, seen: str | None, end: float, bell: Bell) -> Iterator[bytes]:
    last_said = time.monotonic()
    while (now := time.monotonic()) < end:
        bell.clear()
        # Asked after it was silenced: whoever ends it says so first, and rings then.
        if bell.is_over:
            return
        version, catalog = _versions(user_id)
        stands = f"{version}-{catalog}"
        if stands != seen:
            # Without any data it is no event: it gives the id alone, for the next Last-Event-ID.
            told = {"user_id": user_id, "version": version, "catalog": catalog}
            yield f"id: {stands}\n\n".encode() if seen is None else _event(stands, told)
            seen, last_said = stands, now
        elif now - last_said >= BEAT_SECONDS:
            yield b": still here\n\n"
            last_said = now
        bell.wait(max(0.0, min(end, last_said + BEAT_SECONDS) - time.monotonic()))


def _event(stands: str, told: dict[str, object]) -> bytes:
    return f"id: {stands}\nevent: entitlements.changed\ndata: {json.dumps(told)}\n\n".encode()


def _versions(user_id: str) -> tuple[int, int]:
    with connection.cursor() as cursor:
        cursor.execute(READ, [user_id])
        version, catalog = cursor.fetchone()
    if not connection.in_atomic_block:
        # A stream waits for minutes: others shall not wait for its connection.
        connection.close()
    return version, catalog


listeners = Listeners()
watch = Watch(listeners.users, listeners.ring)
