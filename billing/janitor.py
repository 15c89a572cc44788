"""An unknown result is not a failure: ask again until it is known."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

import structlog

from billing import changing, invoicing, opening, paying, payment_methods, refunds, stripe_customers, subscribing, sync
from billing.errors import BillingError
from billing.models import Checkout, Refund
from vault import faults

log = structlog.get_logger("farebox.janitor")


def settle_unknown(*, at: datetime) -> int:
    """Find out what became of all that Stripe never answered for. Returns how many objects are known now."""
    settled = _settle_customers(at=at)
    asking = [partial(opening.settle_unknown, checkout, at=at) for checkout in opening.unknown(at=at)]
    asking += [partial(_settle_refund, refund, at=at) for refund in refunds.unknown(at=at)]
    asking += [partial(paying.settle_unknown, payment, at=at) for payment in paying.unknown(at=at)]
    asking += [partial(invoicing.settle_unknown, invoice, at=at) for invoice in invoicing.unknown(at=at)]
    asking += [partial(subscribing.settle_unknown, each, at=at) for each in subscribing.unknown(at=at)]
    asking += [partial(changing.settle_unknown, each, at=at) for each in changing.unknown(at=at)]
    settled += sum(_known(ask) for ask in asking)
    # Pages that have expired while their event was lost.
    overdue = Checkout.objects.filter(status=Checkout.Status.OPEN, expires_at__lt=at - timedelta(minutes=5))
    for stripe_id in overdue.exclude(stripe_id=None).values_list("stripe_id", flat=True)[:100]:
        settled += sync.try_look(str(stripe_id))
    return settled


def _settle_customers(*, at: datetime) -> int:
    made = [partial(stripe_customers.settle_unknown, row) for row in stripe_customers.unknown(at=at)]
    told = [partial(stripe_customers.tell, row) for row in stripe_customers.behind()]
    attached = [partial(payment_methods.settle_unknown, row, at=at) for row in payment_methods.unknown(at=at)]
    return sum(map(_known, (*made, *told, *attached)))


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
