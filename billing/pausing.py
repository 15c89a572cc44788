"""Pause a subscription, take it up again, and bring one back that ends or has ended.

A pause on request keeps Stripe's status and lets the invoices of its time be void (`pause_collection`). Stripe's status
`paused` is another thing: a trial that ended without a card.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from billing import facts, payment_methods, subscribing, sync
from billing.at_stripe import subscriptions as at_stripe
from billing.errors import NotLive
from billing.idempotency import Asking
from billing.models import Subscription
from billing.subscription_errors import NotChangeable, NothingToReactivate, NotPaused
from billing.wishes import Wish
from events import clock

Status = Subscription.Status


def pause(subscription: Subscription, *, resumes_at: datetime | None = None) -> None:
    """Collect nothing until `resumes_at`, or until it is resumed. May be repeated.

    Raises NotChangeable, StripeRefused and StripeUnknown.
    """
    if subscription.status not in (Status.ACTIVE, Status.TRIALING, Status.PAST_DUE):
        raise NotChangeable(f"it is {subscription.status}")
    if resumes_at and resumes_at <= clock.now():
        raise NotChangeable(f"{resumes_at.isoformat()} is past")
    at_stripe.pause(subscription.stripe_id, resumes_at=resumes_at)
    sync.see(subscription.stripe_id)


def resume(subscription: Subscription) -> None:
    """Collect again.

    Where the period began on the pause, or a trial ended without a card, a new one begins and is charged. Raises
    NotPaused, CardDeclined (it stays unpaid then), StripeRefused and StripeUnknown.
    """
    _require_paused(subscription)
    # As it is by now: what was paid a moment ago by another click must not be paid again.
    sync.see(subscription.stripe_id)
    subscription.refresh_from_db()
    _require_paused(subscription)
    if subscription.status == Status.PAUSED:
        at_stripe.resume(subscription.stripe_id)
    else:
        _collect(subscription)
    sync.see(subscription.stripe_id)


def _require_paused(subscription: Subscription) -> None:
    if not (subscription.status == Status.PAUSED or subscription.paused_at or facts.skipped(subscription)):
        raise NotPaused(subscription.status)


def _collect(subscription: Subscription) -> None:
    found = at_stripe.collect_again(subscription.stripe_id)
    if facts.skipped(subscription) and subscription.status in (Status.ACTIVE, Status.PAST_DUE):
        began = subscription.current_period_start
        hour = (clock.now() - began) // timedelta(hours=1)
        instead_of = f"{int(began.timestamp())}-{payment_methods.paid_by(found, found['customer'])}"
        at_stripe.begin_anew(subscription.stripe_id, id=subscription.pk, instead_of=instead_of, hour=hour)


def reactivate(
    subscription: Subscription, *, payment_method: str = "", country_code: str = "", asking: Asking
) -> tuple[Subscription, bool]:
    """Undo an end that is planned; of one that has ended make a successor, at the price of today and without a trial.

    Returns the subscription that runs then, and whether it is a replay. Raises NothingToReactivate, NotLive (it was
    never paid), and what `subscribing.create` raises.
    """
    if subscription.status == Status.INCOMPLETE_EXPIRED:
        raise NotLive(subscription.status)
    if subscription.status == Status.CANCELED:
        beside = subscription.items.filter(main=False, removed_at=None).select_related("version")
        wish = Wish(
            plan_id=subscription.version.plan_id,
            country_code=country_code or subscription.quote.country_code,
            payment_method=payment_method,
            quantity=subscription.quantity,
            items=tuple({"plan_id": item.version.plan_id, "quantity": item.quantity} for item in beside),
            trial_days=0,
        )
        return subscribing.create(subscription.customer.user_id, wish, asking=asking, previous=subscription)
    if not subscription.cancel_at:
        raise NothingToReactivate(subscription.status)
    at_stripe.keep(subscription.stripe_id, at_period_end=subscription.cancel_at_period_end)
    sync.see(subscription.stripe_id)
    subscription.refresh_from_db()
    return subscription, False
