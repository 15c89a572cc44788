"""What of our books a principal may see."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from rest_framework.request import Request

from config.api.permissions import owner


def within(request: Request, rows: QuerySet[Any], path: str = "") -> QuerySet[Any]:
    """Keep the rows that the principal may see; the rest are as if absent."""
    user_id = owner(request)
    return rows if user_id is None else rows.filter(**{f"{path}customer__user_id": user_id})
