"""What the lane answers: a decision by the same functions, rendered once and told again until it could be another."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
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
from entitlements.spans import FAR
from events import clock

# Stand where the two moments will stand; nobody can write them who does not know them.
AS_OF, FRESH_UNTIL = token_hex(16), token_hex(16)
# Times are written in UTC, with Z for the offset.
OFFSET = -len("+00:00")
SECOND = timedelta(seconds=1)
TICKS = 1_000_000


@dataclass(frozen=True, slots=True)
class Ready:
    """An answer from these facts in three parts, with its two moments between them; good from `since` until `until`.

    Fresh for `kept` seconds, and no longer than it is good. Moments are microseconds since 1970.
    """

    known: Facts
    since: int
    until: int
    kept: int
    parts: tuple[bytes, bytes, bytes]

    def at(self, moment: int) -> bytes:
        """Tell it at a moment."""
        before, between, after = self.parts
        second, rest = divmod(moment, TICKS)
        fraction = b".%06d" % rest if rest else b""
        if moment + self.kept * TICKS > self.until:
            return b"%b%b%b%b%b%b" % (before, _text(second), fraction, between, _written(self.until), after)
        return b"%b%b%b%b%b%b%b" % (
            before,
            _text(second),
            fraction,
            between,
            _text(second + self.kept),
            fraction,
            after,
        )


def body(user_id: str, asked: Asked, now: float) -> bytes | None:
    """Return the answer at `now` (`time.monotonic()`); None when it cannot be had."""
    known, ready = snapshot.peek(user_id, now), asked.answer
    if known is not None and type(ready) is Ready and ready.known is known:
        moment = clock.ticks(now)
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
    kept = (KEPT if decision.allowed else NO_KEPT) // SECOND
    since, until = clock.microseconds(at), clock.microseconds(decision.changes_at or FAR)
    asked.answer = ready = Ready(known, since, until, kept, (before, between, after))
    return ready.at(since)


@lru_cache(maxsize=256)
def _text(second: int) -> bytes:
    return (clock.EPOCH + timedelta(seconds=second)).isoformat()[:OFFSET].encode()


def _written(moment: int) -> bytes:
    return (clock.EPOCH + timedelta(microseconds=moment)).isoformat()[:OFFSET].encode()
