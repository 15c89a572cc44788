"""One look at one Stripe object at a time, and a slow looker cannot write over a later one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.db import DatabaseError, OperationalError, connection
from django.db.models.functions import Now

from billing.errors import LeaseLost
from billing.models import Lease
from vault import stops

log = structlog.get_logger("farebox.leases")
# Who is frozen or gone holds an object up for so long. Who lives prolongs: a slow Stripe costs nobody his lease.
SECONDS = 15.0
# Who lives and does not come to an end.
LONGEST_SECONDS = 90.0
LOCK_NOT_AVAILABLE = "55P03"


@dataclass(frozen=True, slots=True)
class Held:
    stripe_id: str
    fence: int
    taken_at: datetime


def take(stripe_id: str) -> Held | None:
    """Take the lease, None while somebody else holds it. Never waits for him, even when he stands still writing."""
    try:
        return _take(stripe_id)
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", "") == LOCK_NOT_AVAILABLE:
            return None
        raise


def _take(stripe_id: str) -> Held | None:
    with connection.cursor() as cursor:
        # One statement is one transaction, for which it is patient.
        cursor.execute(
            """
            WITH patience AS MATERIALIZED (SELECT set_config('lock_timeout', '250ms', true))
            INSERT INTO billing_lease (stripe_id, fence, held_until)
            SELECT %(id)s, 1, clock_timestamp() + make_interval(secs => %(seconds)s) FROM patience
            ON CONFLICT (stripe_id) DO UPDATE SET fence = billing_lease.fence + 1, held_until = excluded.held_until
            WHERE billing_lease.held_until IS NULL OR billing_lease.held_until <= clock_timestamp()
            RETURNING fence, clock_timestamp()
            """,
            {"id": stripe_id, "seconds": SECONDS},
        )
        row = cursor.fetchone()
    stops.at("commit.billing.leases.take.after")
    return Held(stripe_id, *row) if row else None


def require(held: Held) -> None:
    """Make sure, inside the writing transaction, that the lease is still ours. Raises LeaseLost."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM billing_lease WHERE stripe_id = %s AND fence = %s FOR UPDATE", [held.stripe_id, held.fence]
        )
        if not cursor.fetchone():
            raise LeaseLost(held.stripe_id)


def renew(held: Held) -> None:
    """Hold on while the work goes on. Raises LeaseLost."""
    until = Now() + timedelta(seconds=SECONDS)
    if not Lease.objects.filter(pk=held.stripe_id, fence=held.fence).update(held_until=until):
        raise LeaseLost(held.stripe_id)


def release(held: Held) -> None:
    """Give the lease back, unless somebody else has it by now."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE billing_lease SET held_until = NULL WHERE stripe_id = %s AND fence = %s",
            [held.stripe_id, held.fence],
        )


@contextmanager
def kept(held: Held, *, seconds: float = SECONDS, at_most: float = LONGEST_SECONDS) -> Iterator[None]:
    """Prolong a lease while the block runs, from a thread of its own: it stands still when the process does."""
    done = threading.Event()
    thread = threading.Thread(target=_prolong, args=(held, done, seconds, at_most), name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _prolong(held: Held, done: threading.Event, seconds: float, at_most: float) -> None:
    left = at_most
    while not done.wait(seconds / 3) and left > 0:
        left -= seconds / 3
        try:
            _prolong_once(held, seconds)
        except DatabaseError as reason:
            # The fence holds without it: at worst somebody else looks too, and one of the two has looked in vain.
            log.warning("lease not prolonged", reason=type(reason).__name__)
        finally:
            connection.close()


def _prolong_once(held: Held, seconds: float) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE billing_lease SET held_until = clock_timestamp() + make_interval(secs => %s)"
            " WHERE stripe_id = %s AND fence = %s AND held_until IS NOT NULL",
            [seconds, held.stripe_id, held.fence],
        )
