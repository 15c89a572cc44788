"""What the lane answers: a decision by the same functions, rendered once and told again until it could be another."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from secrets import token_hex

from django.db import Error, connection

from config.lane_questions import Asked
from entitlements import access, snapshot
from entitlements.decisions import KEPT, NO_KEPT
from entitlements.facts import Facts
from entitlements.serializers.answers import shown
from entitlements.serializers.rendering import rendered
from entitlements.spans import FAR
from events import clock

# Stand where the two moments will stand; nobody can write them who does not know them.
AS_OF, FRESH_UNTIL = token_hex(16), token_hex(16)
# Times are written in UTC, with Z for the offset.
OFFSET = -len("+00:00")


@dataclass(frozen=True, slots=True)
class Ready:
    """An answer from these facts in three parts, with its two moments between them; good until `until`."""

    known: Facts
    until: datetime
    kept: timedelta
    parts: tuple[bytes, bytes, bytes]

    def at(self, moment: datetime) -> bytes:
        """Tell it at a moment."""
        before, between, after = self.parts
        fresh_until = min(moment + self.kept, self.until)
        times = moment.isoformat()[:OFFSET].encode(), fresh_until.isoformat()[:OFFSET].encode()
        return b"%b%b%b%b%b" % (before, times[0], between, times[1], after)


def body(user_id: str, asked: Asked) -> bytes | None:
    """Return the answer now; None when it cannot be had."""
    known, at, ready = snapshot.peek(user_id), clock.peek(), asked.answer
    if at is not None and known is not None and ready is not None and ready.known is known and at < ready.until:
        return ready.at(at)  # type: ignore[no-any-return]
    try:
        return _made(known or snapshot.current(user_id), asked)
    except Error:
        return None
    finally:
        # Given back to the pool at once: threads come and go.
        connection.close()


def _made(known: Facts, asked: Asked) -> bytes:
    at, question = clock.near(), access.Question(known, asked.feature_code, asked.requested)
    counted = bool(access.keys(question, at))
    (decision,) = access.answers([question], at=at)
    if counted:
        return rendered(shown(decision))
    text = rendered({**shown(decision), "as_of": f"{AS_OF}Z", "fresh_until": f"{FRESH_UNTIL}Z"})
    before, _, rest = text.partition(AS_OF.encode())
    between, _, after = rest.partition(FRESH_UNTIL.encode())
    kept = KEPT if decision.allowed else NO_KEPT
    asked.answer = ready = Ready(known, decision.changes_at or FAR, kept, (before, between, after))
    return ready.at(at)
