"""What staff and services change of one grant that is there: its status and its end (EN-05)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from entitlements.changes import change
from entitlements.errors import SpanReversed
from entitlements.models import DECIDED, Entitlement, Reason
from entitlements.spans import until
from entitlements.staff_errors import EndsInThePast, HeldForMoney, NotChangeable, PaidGrant
from events import clock, context, history

Status = Entitlement.Status
RUNNING = (Status.ACTIVE, Status.SUSPENDED)


@transaction.atomic
def amend(grant: Entitlement, said: Mapping[str, Any], *, reason: str) -> Entitlement:
    """Bring a grant to the `status` and the `expires_at` that are said, from now on. May be repeated.

    The rest of its source goes on as it is. What was paid for takes no other end, and what money holds back money gives
    back. Raises PaidGrant, NotChangeable, HeldForMoney, EndsInThePast and SpanReversed.
    """
    history.hold(history.user(grant.user_id))
    row = Entitlement.objects.select_for_update().get(pk=grant.pk)
    at = clock.now()
    fields: dict[str, Any] = {}
    status = row.status
    if "status" in said:
        status, fields = _moved(row, said["status"], at)
    if "expires_at" in said:
        fields["ends_at"] = _ended(row, said["expires_at"], at)
    with context.explained(reason):
        change(row, at=at, status=status, **fields)
    return row


def _moved(row: Entitlement, status: str, at: datetime) -> tuple[str, dict[str, Any]]:
    if status == row.status != Status.SUSPENDED:
        return status, {}
    if row.status not in RUNNING:
        raise NotChangeable(row.status)
    match status:
        case Status.REVOKED:
            return status, {"reason": Reason.STAFF}
        case Status.CANCELED:
            if row.source_type not in DECIDED:
                raise PaidGrant("status", row.source_type)
            end = max(row.starts_at, min(at, row.ends_at or at))
            return status, {"reason": "", "ends_at": end, "grace_until": None}
    if row.status == Status.SUSPENDED and row.reason != Reason.STAFF:
        raise HeldForMoney(row.reason)
    return status, {"reason": Reason.STAFF if status == Status.SUSPENDED else ""}


def _ended(row: Entitlement, ends_at: datetime | None, at: datetime) -> datetime | None:
    """Return the new end. What has ended stays so, and no moment that is past is answered otherwise."""
    if row.source_type not in DECIDED:
        raise PaidGrant("expires_at", row.source_type)
    if ends_at == row.ends_at:
        return ends_at
    end = until(row)
    if row.status not in RUNNING:
        raise NotChangeable(row.status)
    if end is not None and end <= at:
        raise NotChangeable("over")
    if ends_at is not None and ends_at <= row.starts_at:
        raise SpanReversed(row.starts_at, ends_at, field="expires_at")
    if ends_at is not None and ends_at <= at:
        raise EndsInThePast("expires_at", ends_at, "set the status canceled to end it now")
    return ends_at
