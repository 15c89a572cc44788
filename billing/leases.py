"""One look at one Stripe object at a time, and a slow looker cannot write over a later one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.db import OperationalError, connection, transaction
from django.db.models.functions import Now

from billing.errors import LeaseLost
from billing.models import Lease

# Longer than all the fetches of one look, with their time limits.
SECONDS = 90
LOCK_NOT_AVAILABLE = "55P03"


@dataclass(frozen=True, slots=True)
class Held:
    stripe_id: str
    fence: int


def take(stripe_id: str) -> Held | None:
    """Take the lease, None while somebody else holds it. Never waits for him, even when he stands still writing."""
    try:
        return _take(stripe_id)
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", "") == LOCK_NOT_AVAILABLE:
            return None
        raise


def _take(stripe_id: str) -> Held | None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '250ms'")
        cursor.execute(
            """
            INSERT INTO billing_lease (stripe_id, fence, held_until)
            VALUES (%(id)s, 1, clock_timestamp() + make_interval(secs => %(seconds)s))
            ON CONFLICT (stripe_id) DO UPDATE SET fence = billing_lease.fence + 1, held_until = excluded.held_until
            WHERE billing_lease.held_until IS NULL OR billing_lease.held_until <= clock_timestamp()
            RETURNING fence
            """,
            {"id": stripe_id, "seconds": SECONDS},
        )
        row = cursor.fetchone()
    return Held(stripe_id, row[0]) if row else None


def require(held: Held) -> None:
    """Make sure, inside the writing transaction, that the lease is still ours. Raises LeaseLost."""
    if not Lease.objects.select_for_update().filter(pk=held.stripe_id, fence=held.fence).exists():
        raise LeaseLost(held.stripe_id)


def renew(held: Held) -> None:
    """Hold on while the work goes on. Raises LeaseLost."""
    until = Now() + timedelta(seconds=SECONDS)
    if not Lease.objects.filter(pk=held.stripe_id, fence=held.fence).update(held_until=until):
        raise LeaseLost(held.stripe_id)


def release(held: Held) -> None:
    """Give the lease back, unless somebody else has it by now."""
    Lease.objects.filter(pk=held.stripe_id, fence=held.fence).update(held_until=None)
