"""What the lane answers: a decision by the same functions, rendered once and told again until it could be another."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta
from secrets import token_hex

from django.db import Error, connection

from config.lane_questions import Asked
from entitlements import access, snapshot
from entitlements.decisions import KEPT, NO_KEPT
from entitlements.facts import Facts
from entitlements.plain import Plain
from entitlements.serializers import outlines
from entitlements.serializers.answers import shown
from entitlements.serializers.rendering import rendered
from entitlements.snapshot import peek
from entitlements.spans import FAR
from events import clock
from events.clock import ticks

# Stand where the two moments will stand; nobody can write them who does not know them.
AS_OF, FRESH_UNTIL = token_hex(16), token_hex(16)
# Times are written in UTC, with Z for the offset.
OFFSET = -len("+00:00")
TICK, TICKS = timedelta(microseconds=1), 1_000_000


@dataclass(frozen=True, slots=True)
class Ready:
    """An answer from these facts in three parts, with its two moments between them; good from `since` until `until`.

    Fresh for as long as a yes or a no is, and no longer than it is good: after `last` that is less. Moments are
    microseconds since 1970.
    """

    known: Facts
    since: int
    until: int
    allowed: bool
    last: int
    parts: tuple[bytes, bytes, bytes]

    def at(self, moment: int) -> bytes:
        """Tell it at a moment."""
        global _second
        before, between, after = self.parts
        began, text, later = _second
        rest = moment - began
        if not 0 <= rest < TICKS:
            began, text, later = _second = _second_of(moment)
            rest = moment - began
        fraction = b".%06d" % rest if rest else b""
        if moment > self.last:
            return b"".join((before, text, fraction, between, _written(self.until), after))
        return b"".join((before, text, fraction, between, later[self.allowed], fraction, after))


def body(user_id: str, asked: Asked, now: float) -> bytes | None:
    """Return the answer at `now` (`time.monotonic()`); None when it cannot be had."""
    known, ready = peek(user_id, now), asked.answer
    if known is not None and type(ready) is Ready and ready.known is known:
        moment = ticks(now)
        if moment is not None and ready.since <= moment < ready.until:
            return ready.at(moment)
    text = None
    try:
        found = known or snapshot.far(user_id)
        if isinstance(found, Plain):
            text = _seen(found, asked)
            return text or _made(found.facts(snapshot.memory.catalog), asked, found)
        return _made(found, asked)
    except Error:
        return None
    finally:
        # Given back to the pool at once: threads come and go. What is seen at sight needs none.
        if text is None:
            connection.close()


def _seen(plain: Plain, asked: Asked) -> bytes | None:
    at = clock.ticks(time.monotonic())
    if at is None:
        return None
    return outlines.seen(plain, asked.feature_code, asked.requested, at, snapshot.memory.catalog)


def _made(known: Facts, asked: Asked, plain: Plain | None = None) -> bytes:
    at, question = clock.near(), access.Question(known, asked.feature_code, asked.requested)
    if plain is not None:
        outlines.learn(plain, question, at)
    # What is told again and again is worth more work than what is told once.
    if asked.answer is not known and (text := outlines.told(question, at)) is not None:
        asked.answer = known
        return text
    counted = bool(access.keys(question, at))
    (decision,) = access.answers([question], at=at)
    if counted:
        return rendered(shown(decision))
    text = rendered({**shown(decision), "as_of": f"{AS_OF}Z", "fresh_until": f"{FRESH_UNTIL}Z"})
    before, _, rest = text.partition(AS_OF.encode())
    between, _, after = rest.partition(FRESH_UNTIL.encode())
    kept = KEPT if decision.allowed else NO_KEPT
    since, until = clock.microseconds(at), clock.microseconds(decision.changes_at or FAR)
    asked.answer = ready = Ready(known, since, until, decision.allowed, until - kept // TICK, (before, between, after))
    return ready.at(since)


def _written(moment: int) -> bytes:
    return (clock.EPOCH + timedelta(microseconds=moment)).isoformat()[:OFFSET].encode()


def _second_of(moment: int) -> tuple[int, bytes, tuple[bytes, bytes]]:
    began = moment - moment % TICKS
    return began, _written(began), (_written(began + NO_KEPT // TICK), _written(began + KEPT // TICK))


# When the second that was told last began, what is written for it, and for the end of a no and of a yes.
_second = _second_of(0)
