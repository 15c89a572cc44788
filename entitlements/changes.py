"""One change of one entitlement, told once. Only who holds the row's lock may make it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models.functions import Now

from entitlements import story
from entitlements.models import Entitlement


def change(row: Entitlement, *, at: datetime, status: str, **fields: Any) -> bool:
    """Move a locked row and set its fields; tell it once. Says whether anything changed."""
    before = {name: getattr(row, name) for name, value in fields.items() if getattr(row, name) != value}
    fields = {name: fields[name] for name in before}
    old = row.status
    if status == old and not fields:
        return False
    if status != old and not row.move_to(status, at=at):
        return False
    Entitlement.objects.filter(pk=row.pk).update(**fields, updated_at=Now())
    for name, value in fields.items():
        setattr(row, name, value)
    story.tell_changed(row, old, before, at=at)
    return True
