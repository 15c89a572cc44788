"""Ask a buyer for the price of his card's country: from the next period on, if he agrees."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog

from billing import customers
from billing.errors import AlreadyDecided
from billing.models import Subscription, ZoneCheck
from billing.subscription_errors import NotProposable
from billing.transactions import whole
from events import clock, history
from pricing import quotes
from pricing.errors import PricingError
from vault import faults

log = structlog.get_logger("farebox.proposals")
Status = ZoneCheck.Status
# A buyer has a week at least, and answers a day before the renewal, so that an end can still be planned.
TIME_TO_ANSWER = timedelta(days=7)
BEFORE_RENEWAL = timedelta(days=1)


def propose(check: ZoneCheck, *, by: str) -> None:
    """Ask the buyer of a flagged subscription for its price where his card is from. Repeating it changes nothing.

    Raises AlreadyDecided and NotProposable.
    """
    whole(_propose_locked)(check, by=by)


def try_propose(check: ZoneCheck, *, at: datetime) -> None:
    """Propose by the policy, inside the caller's transaction; what cannot be stays flagged, for staff."""
    try:
        _propose(check, by="policy", at=at)
    except NotProposable as reason:
        log.warning("zone not proposed", check=str(check.pk), reason=faults.named(reason))


def record(check: ZoneCheck, *, at: datetime) -> None:
    """Write a line of the buyer's history."""
    history.record(
        f"zone.{check.status}",
        subject=history.user(check.payment.customer.user_id),
        object=f"zone-check:{check.pk}",
        at=at,
        data={
            "payment_id": str(check.payment_id),
            "claimed_country": check.quote.country_code,
            "claimed_zone": check.quote.zone_code,
            "card_country": check.card_country,
            "card_zone": check.card_zone,
            "ground": check.ground,
            "proposed": check.proposed.amount_minor if check.proposed else None,
            "answer_until": check.answer_until.isoformat() if check.answer_until else None,
        },
    )


def _propose_locked(check: ZoneCheck, *, by: str) -> None:
    customers.lock(check.payment.customer_id)
    _propose(ZoneCheck.objects.select_for_update(of=("self",)).get(pk=check.pk), by=by, at=clock.now())


def _propose(check: ZoneCheck, *, by: str, at: datetime) -> None:
    if check.status == Status.PROPOSED:
        return
    if Status.PROPOSED not in check.NEXT[check.status]:
        raise AlreadyDecided(check.status)
    subscription = check.payment.subscription
    if subscription is None or subscription.status not in (Subscription.Status.ACTIVE, Subscription.Status.TRIALING):
        raise NotProposable("no subscription runs")
    if not check.card_country:
        raise NotProposable("its card has no country")
    try:
        quote = quotes.quote(subscription.version, check.card_country, user_id=subscription.customer.user_id, at=at)
    except PricingError as reason:
        raise NotProposable(str(reason)) from reason
    if quote.currency != subscription.quote.currency or quote.amount_minor <= subscription.quote.amount_minor:
        raise NotProposable(f"{quote.amount} is not more than {subscription.quote.amount} in its currency")
    check.move_to(Status.PROPOSED, at=at)
    check.subscription, check.proposed, check.decided_by = subscription, quote, by
    check.answer_until = max(at + TIME_TO_ANSWER, subscription.current_period_end - BEFORE_RENEWAL)
    check.save(update_fields=["subscription", "proposed", "decided_by", "answer_until"])
    record(check, at=at)
