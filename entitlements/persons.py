"""What is held here of one user of the product."""

from __future__ import annotations

from entitlements.models import Entitlement


def erase(user_id: str) -> int:
    """Empty what the product wrote beside the grants of a user, and return how many rows. Grants stay: they are ids.

    Runs inside the caller's transaction; may be repeated.
    """
    return Entitlement.objects.filter(user_id=user_id).exclude(metadata={}).update(metadata={})
