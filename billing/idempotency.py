"""Same key, same body: the same row. The unique constraint on (principal, key) decides every race."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Q

from billing.errors import KeyInFlight
from billing.models.asked import Asked
from events.asking import Asking as Asking
from events.asking import earlier as earlier
from vault import stops

# Longer than the client's timeout and its one retry: after it, whoever spoke to Stripe about the row is gone.
BUSY_FOR = timedelta(seconds=60)


def take(row: Asked, *, at: datetime) -> None:
    """Claim the row for speaking to Stripe about it. Raises KeyInFlight while somebody else does."""
    free = type(row)._default_manager.filter(Q(busy_until=None) | Q(busy_until__lte=at), pk=row.pk)
    if not free.update(busy_until=at + BUSY_FOR):
        raise KeyInFlight
    stops.at("commit.billing.idempotency.take.after")


def release(row: Asked) -> None:
    """Let the next one speak to Stripe about the row."""
    type(row)._default_manager.filter(pk=row.pk).update(busy_until=None)
    stops.at("commit.billing.idempotency.release.after")
