"""The live keys in this process's memory, so that a check costs no query.

The ring is read whole, because services are few: an unknown key is then refused without a query of its own. A key that
was revoked works for REREAD_SECONDS at most, also while Postgres is away.
"""

from __future__ import annotations

import hmac
import threading
import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from config.api.authentication import Scope
from events import clock
from keys import service_keys
from keys.models import ServiceKey
from keys.secrets import Secret

REREAD_SECONDS = 30.0
# An unknown key may be a new one: look again, but not for whoever sends rubbish all the time.
PAUSE_SECONDS = 5.0
# How exactly it is known when a key was last used: more would be a write for each request.
COARSE = timedelta(hours=1)


@dataclass(slots=True)
class Held:
    """One live key as it is kept in memory. `ends_at` is monotonic."""

    name: str
    digest: bytes
    scopes: frozenset[Scope]
    ends_at: float
    noted_at: float


class Ring:
    """Every live key, by prefix."""

    def __init__(self) -> None:
        self._held: dict[str, Held] = {}
        self._read_at = float("-inf")
        self._lock = threading.Lock()

    def find(self, secret: Secret, *, now: float | None = None) -> Held | None:
        """Return the live key that this is, None when it is none. `now` is monotonic, in seconds."""
        now = time.monotonic() if now is None else now
        age = now - self._read_at
        if age > REREAD_SECONDS or (secret.prefix not in self._held and age > PAUSE_SECONDS):
            with self._lock:
                if self._read_at < now - PAUSE_SECONDS:
                    self._read(now)
        held = self._held.get(secret.prefix)
        # The same work for a known and an unknown prefix: time tells nothing.
        same = hmac.compare_digest(secret.digest, held.digest if held else bytes(32))
        return held if held and same and now < held.ends_at else None

    def note_use(self, secret: Secret, held: Held, *, now: float | None = None) -> None:
        """Write down, once an hour, that a key is in use."""
        now = time.monotonic() if now is None else now
        if now - held.noted_at < COARSE.total_seconds():
            return
        held.noted_at = now
        at = clock.now()
        unused = ServiceKey.objects.filter(prefix=secret.prefix).exclude(last_used_at__gt=at - COARSE)
        unused.update(last_used_at=at)

    def forget(self) -> None:
        """Read again at the next use."""
        self._read_at = float("-inf")

    def _read(self, now: float) -> None:
        at = clock.now()
        before = self._held
        self._held = {key.prefix: _held(key, at, now, before.get(key.prefix)) for key in service_keys.live(at=at)}
        self._read_at = now


def _held(key: ServiceKey, at: datetime, now: float, before: Held | None) -> Held:
    return Held(
        name=key.name,
        digest=bytes(key.digest),
        scopes=frozenset(Scope(scope) for scope in key.scopes),
        ends_at=now + (key.expires_at - at).total_seconds(),
        noted_at=before.noted_at if before else float("-inf"),
    )


ring = Ring()
