"""What the lane answers: a decision by the same functions, rendered once and told again until it could be another."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from secrets import token_hex

from django.db import Error, connection

from config.lane_questions import Asked
from entitlements import access, facts, snapshot
from entitlements.facts import Facts
from entitlements.serializers.rendering import rendered, shown
from events import clock

REMEMBERED = 20_000
# Stands where the moment will stand; nobody can write it who does not know it.
MARK = token_hex(16)
SECOND = 1_000_000
DATES = ("starts_at", "ends_at", "grace_until", "status_at", "created_at", "removed_at", "archived_at")


@dataclass(frozen=True, slots=True)
class Ready:
    """An answer from these facts, before and after its moment; good until `until` (microseconds since 1970)."""

    known: Facts
    until: float
    before: bytes
    after: bytes


class Answers:
    """Answers that were worked out before, by user and feature."""

    def __init__(self) -> None:
        self._ready: dict[tuple[str, str], Ready] = {}
        self._stamp: tuple[int, str] = (-1, "")

    def body(self, user_id: str, asked: Asked, at: int) -> bytes | None:
        """Return the answer at a moment (microseconds since 1970); None when it cannot be had now."""
        known = snapshot.peek(user_id)
        ready = self._ready.get((user_id, asked.feature_code))
        if ready is not None and ready.known is known and at < ready.until:
            return b"%b%b%b" % (ready.before, self._stamped(at), ready.after)
        try:
            return self._made(known or snapshot.current(user_id), asked, clock.moment(at))
        except Error:
            return None
        finally:
            # Given back to the pool at once: threads come and go.
            connection.close()

    def _made(self, known: Facts, asked: Asked, at: datetime) -> bytes:
        counted = bool(access.keys(access.Question(known, asked.feature_code, asked.requested), at))
        decision = access.check(known.user_id, asked.feature_code, at=at, requested=asked.requested, known=known)
        if counted:
            return rendered(shown(decision))
        before, after = rendered({**shown(decision), "as_of": MARK}).split(MARK.encode())
        while len(self._ready) >= REMEMBERED:
            self._ready.pop(next(iter(self._ready)), None)
        self._ready[known.user_id, asked.feature_code] = Ready(
            known, _until(known, asked.feature_code, at), before, after
        )
        return before + self._stamped(clock.micros(at)) + after

    def _stamped(self, at: int) -> bytes:
        second, micros = divmod(at, SECOND)
        known, text = self._stamp
        if known != second:
            text = clock.moment(second * SECOND).strftime("%Y-%m-%dT%H:%M:%S")
            self._stamp = second, text
        return f"{text}.{micros:06d}Z".encode() if micros else f"{text}Z".encode()


def _until(known: Facts, code: str, at: datetime) -> float:
    """Return when the answer may be another though nothing was written: the next date of anything it came from."""
    rows = (*known.grants.get(code, ()), *known.rules.get(code, ()), facts.features(known.catalog).get(code))
    dates = (getattr(row, name, None) for row in rows for name in DATES)
    return min((clock.micros(date) for date in dates if date is not None and date > at), default=math.inf)
