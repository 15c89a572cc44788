"""Celery's way in. It decides nothing."""

from __future__ import annotations

from celery import shared_task

from entitlements import grants, reservations
from events import clock


@shared_task(name="entitlements.expire")
def expire() -> None:
    """Write down what has ended. May be repeated."""
    grants.expire_all_due(at=clock.now())


@shared_task(name="entitlements.expire_reservations")
def expire_reservations() -> None:
    """Give back what is held beyond its end. May be repeated."""
    reservations.expire_due(now=clock.now())
