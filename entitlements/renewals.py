"""What follows from new dates for a row that is there already. Decides; writes nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from entitlements.errors import GraceWithoutEnd, SpanReversed
from entitlements.models import Entitlement, Reason
from entitlements.spans import until

Status = Entitlement.Status


@dataclass(frozen=True, slots=True)
class Span:
    """`[starts_at, ends_at)` and its grace. None ends never."""

    starts_at: datetime
    ends_at: datetime | None
    grace_until: datetime | None = None

    def __post_init__(self) -> None:
        if self.ends_at is not None and self.ends_at < self.starts_at:
            raise SpanReversed(self.starts_at, self.ends_at)
        if self.grace_until is not None and (self.ends_at is None or self.grace_until < self.ends_at):
            raise GraceWithoutEnd(self.grace_until, self.ends_at)


def is_over(row: Entitlement) -> bool:
    """Say whether the row's whole source has ended, rather than that a plan dropped this feature, or staff took it."""
    taken = row.status == Status.REVOKED and row.reason != Reason.STAFF
    return taken or (row.status == Status.CANCELED and row.reason != Reason.PLAN_CHANGED)


def hold_of(rows: Iterable[Entitlement]) -> str | None:
    """Return why the source is suspended; None when any of it runs. Read it before any row changes.

    Staff may hold back one feature of a source: its other ones go on, or wait for what money says.
    """
    live = [row for row in rows if row.status in (Status.ACTIVE, Status.SUSPENDED)]
    reasons = {row.reason if row.status == Status.SUSPENDED else None for row in live}
    return None if None in reasons else min(reasons, key=lambda reason: (reason == Reason.STAFF, reason), default=None)


def status_after(row: Entitlement, end: datetime | None, *, at: datetime, keep_suspended: bool) -> str:
    """Return the status that follows from new dates. What staff hold back only staff give again."""
    if row.status == Status.SUSPENDED and not keep_suspended and row.reason != Reason.STAFF:
        return Status.ACTIVE
    if row.status in (Status.EXPIRED, Status.CANCELED) and (end is None or end > at):
        return Status.ACTIVE
    return row.status


def start_after(row: Entitlement, span: Span, at: datetime) -> datetime:
    """Keep the first start while access goes on without a gap."""
    end = until(row)
    goes_on = row.starts_at <= at and (end is None or span.starts_at <= end)
    return min(row.starts_at, span.starts_at) if goes_on else span.starts_at
