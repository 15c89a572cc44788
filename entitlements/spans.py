"""When one grant gives access: its status, its dates and a moment, compared."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from entitlements.reasons import ReasonCode, suspended

if TYPE_CHECKING:
    from entitlements.models import Entitlement

FAR = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Grant:
    """What a check needs of one entitlement of `user_id`. `version` is the plan version's number.

    With a `family_id` the owner's family shares it.
    """

    id: UUID
    source_type: str
    source_id: str
    plan_id: str | None
    version: int | None
    status: str
    status_at: datetime
    reason: str
    granted_at: datetime
    starts_at: datetime
    ends_at: datetime | None
    grace_until: datetime | None
    limit: int | None
    period: str
    soft: bool
    value: Any
    anchor: str = "billing"
    time_zone: str = "UTC"
    warn_at: tuple[int, ...] = (80, 100)
    rollover_max: int | None = None
    member_cap: int | None = None
    priority: int = 0
    user_id: str = ""
    family_id: UUID | None = None


class Dated(Protocol):
    """What says whether a grant gives access: the same for all grants of one source."""

    @property
    def status(self) -> str: ...
    @property
    def status_at(self) -> datetime: ...
    @property
    def reason(self) -> str: ...
    @property
    def starts_at(self) -> datetime: ...
    @property
    def ends_at(self) -> datetime | None: ...
    @property
    def grace_until(self) -> datetime | None: ...


def until(grant: Dated | Entitlement) -> datetime | None:
    """Return the moment access ends, grace included; None for never."""
    return grant.ends_at if grant.grace_until is None else grant.grace_until


def in_grace(grant: Grant, at: datetime) -> bool:
    """Say whether what was paid for is over at `at`, whatever grace is left."""
    return grant.ends_at is not None and grant.ends_at <= at


def barred(grant: Dated | Entitlement, at: datetime) -> ReasonCode | None:
    """Return why the grant gives no access at `at`; None when it gives it.

    A revocation and a suspension count from the moment they were made. Every other end is a date, so a row that has
    been written down as expired or canceled still answers rightly for a moment inside its span.
    """
    end = until(grant)
    if grant.status == "revoked" and grant.status_at <= at:
        return ReasonCode.REVOKED
    if grant.status == "suspended" and grant.status_at <= at:
        return suspended(grant.reason)
    if end is not None and end <= max(at, grant.starts_at):
        return ReasonCode.CANCELED if grant.status == "canceled" else ReasonCode.EXPIRED
    return ReasonCode.NOT_STARTED if at < grant.starts_at else None
