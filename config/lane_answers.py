"""What the lane answers: a decision by the same functions, rendered once and told again until it could be another."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from secrets import token_hex

from django.db import Error, connection

from config.lane_questions import Asked
from entitlements import access, facts, lifetimes, snapshot
from entitlements.facts import Facts
from entitlements.serializers.rendering import rendered, shown
from entitlements.spans import FAR
from events import clock

# Stands where the moment will stand; nobody can write it who does not know it.
MARK = token_hex(16)
# Times are written in UTC, with Z for the offset.
OFFSET = -len("+00:00")


@dataclass(frozen=True, slots=True)
class Ready:
    """An answer from these facts, before and after its moment; good until `until`."""

    known: Facts
    until: datetime
    before: bytes
    after: bytes


def body(user_id: str, asked: Asked) -> bytes | None:
    """Return the answer now; None when it cannot be had."""
    at, known, ready = clock.peek(), snapshot.peek(user_id), asked.answer
    if at is not None and known is not None and ready is not None and ready.known is known and at < ready.until:
        return b"%b%b%b" % (ready.before, at.isoformat()[:OFFSET].encode(), ready.after)
    try:
        return _made(known or snapshot.current(user_id), asked, clock.near())
    except Error:
        return None
    finally:
        # Given back to the pool at once: threads come and go.
        connection.close()


def _made(known: Facts, asked: Asked, at: datetime) -> bytes:
    counted = bool(access.keys(access.Question(known, asked.feature_code, asked.requested), at))
    decision = access.check(known.user_id, asked.feature_code, at=at, requested=asked.requested, known=known)
    if counted:
        return rendered(shown(decision))
    before, after = rendered({**shown(decision), "as_of": f"{MARK}Z"}).split(MARK.encode())
    asked.answer = Ready(known, _until(known, asked.feature_code, at), before, after)
    return before + at.isoformat()[:OFFSET].encode() + after


def _until(known: Facts, code: str, at: datetime) -> datetime:
    """Return when the answer may be another though nothing was written."""
    feature = facts.features(known.catalog).get(code)
    archived = feature.archived_at if feature and feature.archived_at and feature.archived_at > at else FAR
    return min(archived, lifetimes.next_boundary(known, at) or FAR)
