"""Units that are held until they are used or given back: what takes long is refused before it starts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connection

from entitlements import draws, thresholds, usage
from entitlements.draws import Written
from entitlements.facts import Facts
from entitlements.models import Reservation, UsageEvent
from entitlements.usage import Use
from entitlements.usage_errors import ReservationOver, ReservationTooLong, UnitsWrong
from events.asking import Asking, KeyReused, earlier
from events.ids import uuid7
from events.transactions import whole

LONGEST = timedelta(hours=24)
Status = Reservation.Status


def reserve(
    user_id: str,
    feature_code: str,
    units: int,
    *,
    expires_in: timedelta,
    asking: Asking,
    now: datetime,
    metadata: Mapping[str, Any] | None = None,
) -> tuple[Reservation, bool]:
    """Hold units for at most 24 hours, and say whether this key did so before.

    What is held is not left for others; it comes back by `release`, or by itself at its end. Raises what recording a
    use raises, and ReservationTooLong.
    """
    if row := earlier(Reservation, asking):
        return row, True
    if not timedelta(0) < expires_in <= LONGEST:
        raise ReservationTooLong(LONGEST)
    if units < 1:
        raise UnitsWrong(units)

    def held(known: Facts) -> UUID:
        draw = draws.of(known, feature_code, units, now)
        written = Written(
            uuid7(), asking.principal, asking.key, asking.request_hash, now, now + expires_in, metadata or {}
        )
        usage.take(draw, written)
        return written.id

    try:
        return Reservation.objects.get(pk=usage.with_fresh_facts(user_id, held)), False
    except IntegrityError:
        if row := earlier(Reservation, asking):
            return row, True
        raise


@whole
def commit(
    reservation: Reservation, *, units: int | None = None, principal: str, now: datetime
) -> tuple[Reservation, bool]:
    """Turn what is held into a use of `units` (all of it when left out); say whether that was done before.

    What was not used goes back to the pools that paid; more than was held is recorded too, if it fits: all of it or
    nothing. Raises ReservationOver, KeyReused, and what recording a use raises.
    """
    wanted = reservation.units if units is None else units
    if wanted < 1:
        raise UnitsWrong(wanted)
    held = min(wanted, reservation.units)
    try:
        settled = _settled(reservation, Status.COMMITTED, held, principal, now)
    except IntegrityError:
        # Its sender gave a use of his own the name that this one would have.
        raise KeyReused from None
    if not settled:
        return _as_before(reservation, Status.COMMITTED, held, wanted), True
    if wanted > held:
        more = Use(reservation.user_id, reservation.feature_id, wanted - held, _more(reservation))
        usage.record(more, principal=principal, now=now)
    # It counts in the period in which it was held.
    thresholds.tell_of(reservation.user_id, reservation.feature_id, at=reservation.created_at, now=now)
    reservation.refresh_from_db()
    return reservation, False


@whole
def release(reservation: Reservation, *, now: datetime) -> tuple[Reservation, bool]:
    """Give back what is held, and say whether that was done before. Raises ReservationOver."""
    if not _settled(reservation, Status.RELEASED, 0, "", now):
        return _as_before(reservation, Status.RELEASED, None, None), True
    reservation.refresh_from_db()
    return reservation, False


def seen(reservation: Reservation, *, now: datetime) -> Reservation:
    """Show what is held beyond its end as expired: that is a date, whatever is written down yet."""
    if reservation.status == Status.HELD and reservation.expires_at <= now:
        reservation.status, reservation.status_at = Status.EXPIRED, reservation.expires_at
    return reservation


def expire_due(*, now: datetime, limit: int = 500) -> int:
    """Give back all that is held beyond its end, each in its own transaction, and return how many. May be repeated.

    No answer waits for it: a use that would not fit gives back what is due of its own pools.
    """
    total, due = 0, Reservation.objects.filter(status=Status.HELD, expires_at__lte=now).order_by("expires_at")
    while rows := list(due[:limit]):
        total += sum(_expire(row, now) for row in rows)
    return total


@whole
def _expire(reservation: Reservation, now: datetime) -> bool:
    return _settled(reservation, Status.EXPIRED, 0, "", now)


def _settled(reservation: Reservation, status: str, units: int, principal: str, now: datetime) -> bool:
    """Move it out of `held`, and say whether this call did."""
    asked: list[Any] = [reservation.pk, status, units, now, uuid7(), principal, reservation.request_hash]
    with connection.cursor() as cursor:
        cursor.execute("SELECT entitlements_settle(%s, %s, %s, %s, %s, %s, %s)", asked)
        return bool(cursor.fetchone()[0] == status)


def _as_before(reservation: Reservation, status: str, held: int | None, wanted: int | None) -> Reservation:
    """Return what an equal call made of it. Raises ReservationOver when another one did."""
    reservation.refresh_from_db()
    if reservation.status != status or reservation.committed != held or wanted != _taken(reservation):
        raise ReservationOver(reservation.status if reservation.status != Status.HELD else Status.EXPIRED)
    return reservation


def _taken(reservation: Reservation) -> int | None:
    if reservation.committed is None:
        return None
    more = UsageEvent.objects.filter(event_id=_more(reservation), user_id=reservation.user_id)
    return reservation.committed + sum(more.values_list("units", flat=True))


def _more(reservation: Reservation) -> str:
    return f"reservation:{reservation.pk}:more"
