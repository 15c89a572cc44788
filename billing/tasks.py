"""Celery's way in; decides nothing."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task

from billing import janitor, notices, reconcile, rules, sync
from events import clock


@shared_task(name="billing.look")
def look(stripe_id: str) -> None:
    """Look again at one Stripe object."""
    sync.try_look(stripe_id)


@shared_task(name="billing.settle_unknown")
def settle_unknown() -> None:
    """Find out what became of what nobody knows."""
    janitor.settle_unknown(at=clock.now())


@shared_task(name="billing.tell_customers")
def tell_customers() -> None:
    """Tell customers what is about to happen to what they bought, and what has."""
    notices.tell_due(at=clock.now(), cards=notices.cards())


@shared_task(name="billing.reconcile")
def compare_books() -> None:
    """Compare the last day's books, and settle what differs."""
    since = clock.now() - timedelta(days=1)
    reconcile.settle(reconcile.compare(since=since), since=since)


@shared_task(name="billing.apply_policy")
def apply_policy() -> None:
    """Let access follow the rules that staff have changed."""
    rules.apply(at=clock.now())
