"""Hears in this process what others tell of users, and says for how long its memory may be trusted.

A ping a quarter of a second asks whether the line still stands: what was told before its answer has been heard. Memory
is trusted for a second from the last ping that was answered, and is emptied whenever the line was lost.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing

import redis
import structlog
from django.conf import settings

from entitlements import ears, shelf
from entitlements.shelf import Change, Shelf

PING_SECONDS, TRUST_SECONDS, AGAIN_SECONDS, SWITCH_SECONDS = 0.25, 1.0, 0.5, 0.001
log = structlog.get_logger("farebox.entitlements")


class Line:
    """The line to the Valkey that is set, of a thread of its own: what is told goes to `hear`, a lost line to `forget`.

    `beat` is called with every ping that was answered.
    """

    def __init__(self, hear: Callable[[Change], None], forget: Callable[[], None], beat: Callable[[], None]) -> None:
        self._hear, self._forget, self._beat = hear, forget, beat
        self.trusted_until = 0.0
        self._reads_itself = True
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._closed = threading.Event()
        os.register_at_fork(after_in_child=self._forked)

    def open(self) -> None:
        """Begin to listen, if nobody does in this process."""
        if self._thread is not None and self._thread.is_alive():
            return
        with self._starting:
            if self._thread is None or not self._thread.is_alive():
                self._closed = threading.Event()
                self._thread = threading.Thread(
                    target=self._listening, args=(self._closed,), name="entitlement changes", daemon=True
                )
                self._thread.start()

    def close(self) -> None:
        """Listen no more, and wait until it is so."""
        self._closed.set()
        if self._thread is not None:
            self._thread.join()
        self._lost()

    def is_up(self) -> bool:
        """Say whether what is remembered may be trusted."""
        return time.monotonic() < self.trusted_until

    def _forked(self) -> None:
        # The thread is the parent's, and so is what it will hear.
        self._thread, self.trusted_until, self._starting = None, 0.0, threading.Lock()

    def _listening(self, closed: threading.Event) -> None:
        # Whoever hears waits so long for the interpreter when others work: 5 ms is Python's own.
        sys.setswitchinterval(min(sys.getswitchinterval(), SWITCH_SECONDS))
        while not closed.is_set():
            try:
                self._listen(shelf.here(), closed)
            except ears.Unusual:
                self._reads_itself = False
            except (redis.RedisError, OSError, ValueError, IndexError) as reason:
                # The last two: somebody told what cannot be read. What else he meant to tell is not known.
                log.warning("changes of entitlements are not heard", reason=type(reason).__name__)
            finally:
                self._lost()
            closed.wait(AGAIN_SECONDS)

    def _listen(self, place: Shelf, closed: threading.Event) -> None:
        with (
            shelf.connected(settings.REDIS_URL, TRUST_SECONDS) as client,
            closing(ears.opened(client, place.channel, PING_SECONDS, reads_itself=self._reads_itself)) as ear,
        ):
            asked, due, first = 0.0, 0.0, True
            while not closed.is_set():
                now = time.monotonic()
                if not asked and now >= due:
                    ear.ping()
                    asked = now
                said = ear.listen()
                for text in said.messages:
                    self._hear(shelf.read_message(text))
                # A busy process may come late to an answer that is there: the line is lost when it is silent.
                if said == ears.SILENCE and asked and now - asked > TRUST_SECONDS:
                    raise redis.TimeoutError("a ping was not answered")
                if said.is_answered:
                    if first:
                        # What was fetched before this line stood may be old, and nobody would tell.
                        self._forget()
                        first = False
                    self.trusted_until = asked + TRUST_SECONDS
                    asked, due = 0.0, asked + PING_SECONDS
                    self._beat()

    def _lost(self) -> None:
        self.trusted_until = 0.0
        self._forget()
