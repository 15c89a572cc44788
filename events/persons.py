"""What history holds of one user of the product."""

from __future__ import annotations

from typing import Any

from django.db.models import Q

from events import history
from events.models import Event
from vault import rows


def held(user_id: str) -> dict[str, list[dict[str, Any]]]:
    """Return his history, and what he did himself in the history of others."""
    mine = Q(subject=history.user(user_id)) | Q(actor=history.user(user_id))
    return {Event._meta.db_table: [rows.told(row) for row in Event.objects.filter(mine).order_by("created_at", "id")]}
