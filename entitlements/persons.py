"""What is held here of one user of the product."""

from __future__ import annotations

from django.db.models import Model

from entitlements.models import Entitlement, Reservation, UsageEvent

KEEPING: tuple[type[Model], ...] = (Entitlement, Reservation, UsageEvent)


def erase(user_id: str) -> int:
    """Empty what the product wrote beside a user's grants and uses, and return how many rows. They stay: they are ids.

    Runs inside the caller's transaction; may be repeated.
    """
    mine = (model._default_manager.filter(user_id=user_id).exclude(metadata={}) for model in KEEPING)
    return sum(rows.update(metadata={}) for rows in mine)
