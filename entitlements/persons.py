"""What is held here of one user of the product."""

from __future__ import annotations

from typing import Any

from django.db.models import Model, Q

from entitlements.models import Entitlement, Family, Reservation, UsageCounter, UsageEvent, UsageThreshold
from events import history
from vault import rows

KEEPING: tuple[type[Model], ...] = (Entitlement, Reservation, UsageEvent)


def held(user_id: str) -> dict[str, list[dict[str, Any]]]:
    """Return every row that is the user's, by table; of families those that he owns."""
    others = {
        model._meta.db_table: [rows.told(row) for row in model._base_manager.filter(his).order_by("pk")]
        for model, his in not_by_column(user_id).items()
    }
    return {**rows.held("entitlements", user_id), **others}


def not_by_column(user_id: str) -> dict[type[Model], Q]:
    """Name the models whose rows are a user's by another column than most, and how to find his."""
    his = Q(subject=history.user(user_id))
    return {Family: Q(owner_id=user_id), UsageCounter: his | Q(member=user_id), UsageThreshold: his}


def erase(user_id: str) -> int:
    """Empty what the product wrote beside a user's grants, uses and families, and return how many rows.

    They stay: they are ids. Runs inside the caller's transaction; may be repeated.
    """
    families = Family.objects.filter(owner_id=user_id).exclude(name="").update(name="")
    mine = (model._default_manager.filter(user_id=user_id).exclude(metadata={}) for model in KEEPING)
    return families + sum(found.update(metadata={}) for found in mine)
