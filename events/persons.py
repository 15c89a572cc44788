"""What history holds of one user of the product."""

from __future__ import annotations

from typing import Any

from django.db.models import Q

from events import history
from events.models import Event, Mail
from vault import rows


def held(user_id: str) -> dict[str, list[dict[str, Any]]]:
    """Return his history, what he did himself in the history of others, and the e-mails to him."""
    mine = Q(subject=history.user(user_id)) | Q(actor=history.user(user_id))
    mails = Mail.objects.filter(subject=history.user(user_id)).order_by("pk")
    return {
        Event._meta.db_table: [rows.told(row) for row in Event.objects.filter(mine).order_by("created_at", "id")],
        Mail._meta.db_table: [rows.told(row) for row in mails],
    }
