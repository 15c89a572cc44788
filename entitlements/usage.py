"""What was used, written down once for each id that its sender gave it, and only where it fits.

Uses are a history of their own, `UsageEvent`: rows that are appended and never change. What they tell the world is
that a share of a limit was reached.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, TypeVar

from django.db import IntegrityError, OperationalError, connection

from entitlements import access, draws, facts, snapshot, thresholds
from entitlements.decisions import Decision
from entitlements.draws import Draw, Written
from entitlements.facts import Facts
from entitlements.models import UsageEvent
from entitlements.reasons import ReasonCode
from entitlements.usage_errors import BelowZero, UsageInTheFuture, UsageRefused
from events.asking import Asking, KeyReused
from events.ids import uuid7
from events.transactions import TRANSIENT, whole

# Clocks of senders run ahead so much at most.
AHEAD = timedelta(minutes=5)
TRIES = 5
# Who uses something uses it again: all that differs is the id.
HASHES_KEPT = 16_384
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Use:
    """`units` of a feature that a user used at `at` (None: now); `event_id` is the sender's own name of it."""

    user_id: str
    feature_code: str
    units: int
    event_id: str
    at: datetime | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def asking(self, principal: str) -> Asking:
        """Return who asks, under which key, for what."""
        if self.at is None and not self.metadata:
            return Asking(principal, self.event_id, _hashed_now(self.user_id, self.feature_code, self.units))
        said = {"user_id": self.user_id, "feature_code": self.feature_code, "units": self.units, "at": self.at}
        return Asking.of(principal, self.event_id, {**said, "metadata": dict(self.metadata)})


@lru_cache(maxsize=HASHES_KEPT)
def _hashed_now(user_id: str, feature_code: str, units: int) -> str:
    said = {"user_id": user_id, "feature_code": feature_code, "units": units, "at": None, "metadata": {}}
    return Asking.of("", None, said).request_hash


def record(use: Use, *, principal: str, now: datetime) -> tuple[UsageEvent, bool]:
    """Write down a use, and say whether it was written down before (US-01).

    One statement when it fits. Raises UsageRefused (a check says why), BelowZero, NotMetered, UnitsWrong,
    UsageInTheFuture, and KeyReused when the id named another use.
    """
    if use.at is not None and use.at > now + AHEAD:
        raise UsageInTheFuture(use.at)
    asking = use.asking(principal)
    try:
        return with_fresh_facts(use.user_id, lambda known: _recorded(use, asking, now, known))
    except (UsageRefused, IntegrityError):
        # It may have been written down while it still fitted, or at this moment by somebody else.
        if row := earlier(asking):
            return row, True
        raise


class Stale(Exception):
    """What was known of the user is no longer so."""


def with_fresh_facts(user_id: str, work: Callable[[Facts], Result]) -> Result:
    """Do the work by what is known near, and again by what the database knows before the answer is no.

    Raises what the work raises.
    """
    known, fresh = snapshot.current(user_id), False
    for _ in range(TRIES):
        try:
            return work(known)
        except UsageRefused:
            if fresh:
                raise
        except Stale:
            pass
        except OperationalError as error:
            # Of two who waited for each other one was stopped, and nothing of it was written.
            if connection.in_atomic_block or getattr(error.__cause__, "sqlstate", "") not in TRANSIENT:
                raise
        known, fresh = facts.read(user_id), True
    raise RuntimeError("what is known of a user changes faster than it can be read")


def earlier(asking: Asking) -> UsageEvent | None:
    """Return what was written down under this id. Raises KeyReused when it was another use."""
    row = UsageEvent.objects.filter(principal=asking.principal, event_id=asking.key).first()
    if row and row.request_hash != asking.request_hash:
        raise KeyReused
    return row


def _recorded(use: Use, asking: Asking, now: datetime, known: Facts) -> tuple[UsageEvent, bool]:
    at = use.at or now
    draw = draws.of(known, use.feature_code, use.units, at)
    written = Written(uuid7(), asking.principal, asking.key, asking.request_hash, now, None, use.metadata)
    found = take(draw, written)
    if found.earlier:
        if found.earlier_hash != asking.request_hash:
            raise KeyReused
        return UsageEvent.objects.get(pk=found.earlier), True
    row = UsageEvent(
        id=written.id,
        principal=asking.principal,
        event_id=use.event_id,
        request_hash=asking.request_hash,
        user_id=use.user_id,
        feature_id=use.feature_code,
        units=use.units,
        overage=found.overage,
        counters=list(found.counters or []),
        shares=list(found.shares or []),
        at=at,
        recorded_at=found.recorded_at or now,
        metadata=dict(use.metadata),
    )
    return row, False


def take(draw: Draw, written: Written) -> draws.Taken:
    """Draw the units, and tell the thresholds that this reaches. Raises UsageRefused, BelowZero, Stale."""
    found = draws.take(draw, written, telling=False)
    if found.said == "telling":
        found = _take_and_tell(draw, written)
    if found.said == "stale":
        raise Stale
    if found.said == "below":
        raise BelowZero(draw.units)
    if found.said == "refused":
        raise UsageRefused(_refusal(draw), draw.units)
    return found


@whole
def _take_and_tell(draw: Draw, written: Written) -> draws.Taken:
    found = draws.take(draw, written, telling=True)
    if found.crossed:
        thresholds.tell(draw, at=written.now)
    return found


def _refusal(draw: Draw) -> Decision:
    question = access.Question(draw.known, draw.feature_code, draw.units)
    decision = access.answers([question], at=draw.at)[0]
    if not decision.allowed:
        return decision
    # What it lacked came free in between, or has moved on to a later period.
    return replace(decision, allowed=False, reason_code=ReasonCode.LIMIT_REACHED)
