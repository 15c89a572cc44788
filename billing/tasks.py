"""Celery's way in; decides nothing."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task
from django.conf import settings

from billing import gaps, janitor, reconcile, sync, webhooks
from events import clock


@shared_task(name="billing.look")
def look(stripe_id: str) -> None:
    """Look again at one Stripe object."""
    sync.try_look(stripe_id)


@shared_task(name="billing.look_at_news")
def look_at_news() -> None:
    """Look at all that Stripe told of."""
    sync.drain()


@shared_task(name="billing.fill_gaps")
def fill_gaps() -> None:
    """Find what Stripe told and nobody here heard."""
    if gaps.try_fill():
        sync.drain()


@shared_task(name="billing.empty_bodies")
def empty_bodies() -> None:
    """Forget what events said that were served long ago."""
    webhooks.empty_bodies(before=clock.now() - timedelta(days=settings.WEBHOOK_RETENTION_DAYS))


@shared_task(name="billing.settle_unknown")
def settle_unknown() -> None:
    """Find out what became of what nobody knows."""
    janitor.settle_unknown(at=clock.now())


@shared_task(name="billing.reconcile")
def compare_books() -> None:
    """Compare the last day's books, and settle what differs."""
    since = clock.now() - timedelta(days=1)
    reconcile.settle(reconcile.compare(since=since), since=since)
