"""Celery's way in; decides nothing."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

from celery import shared_task
from django.conf import settings

from billing import earned, gaps, janitor, notices, reconcile, repricing, rules, sync, webhooks
from billing.at_stripe.lists import Window
from billing.errors import AlreadyReconciling
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


@shared_task(name="billing.tell_customers")
def tell_customers() -> None:
    """Tell customers what is about to happen to what they bought, and what has."""
    notices.tell_due(at=clock.now(), cards=notices.cards())


@shared_task(name="billing.reconcile")
def compare_books(days: int = 1) -> None:
    """Compare the books of the last days, and settle what differs. One run at a time: another one leaves."""
    with suppress(AlreadyReconciling):
        reconcile.run(Window(clock.now() - timedelta(days=days)))


@shared_task(name="billing.apply_policy")
def apply_policy() -> None:
    """Let access follow the rules that staff have changed."""
    rules.apply(at=clock.now())


@shared_task(name="billing.settle_zones")
def settle_zones() -> None:
    """Finish what the policy and the buyers have decided about claimed countries."""
    earned.refuse_due()
    repricing.settle_due(at=clock.now())
