"""What history says of an entitlement: its type, and what it holds."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from entitlements.models import Entitlement
from events import history
from pricing.inclusions import COLUMNS

Status = Entitlement.Status
TYPES = {
    Status.SUSPENDED: "entitlement.suspended",
    Status.EXPIRED: "entitlement.expired",
    Status.CANCELED: "entitlement.canceled",
    Status.REVOKED: "entitlement.revoked",
}


def tell_created(row: Entitlement, *, at: datetime) -> None:
    """Record that a feature was granted (EN-05, EV-03)."""
    _record("entitlement.created", row, at, {})


def tell_changed(row: Entitlement, old_status: str, before: Mapping[str, Any], *, at: datetime) -> None:
    """Record what a change did. `before` holds the old value of each field that changed."""
    moved = {"status": old_status} if old_status != row.status else {}
    _record(_type(old_status, row.status), row, at, {"before": {**moved, **before}})


def _type(old: str, new: str) -> str:
    if old == new:
        return "entitlement.updated"
    if new == Status.ACTIVE:
        return "entitlement.resumed" if old == Status.SUSPENDED else "entitlement.updated"
    return TYPES[Status(new)]


def _record(type: str, row: Entitlement, at: datetime, more: Mapping[str, Mapping[str, Any]]) -> None:
    data = {
        "user_id": row.user_id,
        "feature_code": row.feature_id,
        "plan_id": row.plan_id,
        "source": {"type": str(row.source_type), "id": row.source_id},
        "status": str(row.status),
        "reason": str(row.reason),
        "granted_at": row.granted_at,
        "starts_at": row.starts_at,
        "ends_at": row.ends_at,
        "grace_until": row.grace_until,
        "version": row.version.number if row.version else None,
        "family_id": row.family_id,
        **{name: getattr(row, name) for name in COLUMNS},
    }
    plain = {name: {key: _json(value) for key, value in inner.items()} for name, inner in more.items()}
    history.record(
        type,
        subject=history.user(row.user_id),
        object=f"entitlement:{row.pk}",
        at=at,
        data={**{name: _json(value) for name, value in data.items()}, **plain},
    )


def _json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value
