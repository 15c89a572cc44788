"""An unknown result is not a failure: ask again until it is known."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

import structlog

from billing import changing, opening, refunds, subscribing, sync
from billing.errors import BillingError
from billing.models import Checkout, Refund
from vault import faults

log = structlog.get_logger("farebox.janitor")


def settle_unknown(*, at: datetime) -> int:
    """Find out what became of what Stripe never answered for. Returns how much of it is known now."""
    settled = sum(_known(partial(opening.settle_unknown, checkout, at=at)) for checkout in opening.unknown(at=at))
    settled += sum(_known(partial(_settle_refund, refund, at=at)) for refund in refunds.unknown(at=at))
    settled += sum(_known(partial(subscribing.settle_unknown, each, at=at)) for each in subscribing.unknown(at=at))
    settled += sum(_known(partial(changing.settle_unknown, each, at=at)) for each in changing.unknown(at=at))
    # Pages that have expired while their event was lost.
    overdue = Checkout.objects.filter(status=Checkout.Status.OPEN, expires_at__lt=at - timedelta(minutes=5))
    for stripe_id in overdue.exclude(stripe_id=None).values_list("stripe_id", flat=True)[:100]:
        settled += sync.try_look(str(stripe_id))
    return settled


def _settle_refund(refund: Refund, *, at: datetime) -> None:
    refunds.settle_unknown(refund, at=at)
    # What Stripe made while nobody listened may have had its event long ago.
    sync.try_look(str(refund.payment.stripe_id))


def _known(ask: Callable[[], None]) -> bool:
    try:
        ask()
    except BillingError as reason:
        log.warning("still unknown", reason=faults.named(reason))
        return False
    except Exception:
        log.exception("still unknown")
        return False
    return True
