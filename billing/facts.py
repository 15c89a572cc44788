"""What became of the money of a payment, read from its refunds and disputes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TypedDict

from django.db.models import F, Max, Q

from billing.models import Invoice, Payment, Refund, Subscription
from billing.policy import Facts

Status = Refund.Status
# Stripe voids what a pause finds as soon as it has a number.
AT_ONCE = timedelta(minutes=1)


def of(*payments: Payment) -> Facts:
    """Read the facts that the policy decides by. A refund that is only asked for counts for nothing yet."""
    refunds = [row for payment in payments for row in payment.refunds.all()]
    back = [row for row in refunds if row.status in (Status.PENDING, Status.SUCCEEDED)]
    return Facts(
        captured=sum(payment.captured_minor for payment in payments),
        refunded=sum(row.amount_minor for row in back if row.status == Status.SUCCEEDED),
        returning=sum(row.amount_minor for row in back if row.status == Status.PENDING),
        refunded_at=max((row.created_at for row in back), default=None),
        disputes=tuple((row.status, row.opened_at) for payment in payments for row in payment.disputes.all()),
    )


def of_last(subscription: Subscription) -> Facts | None:
    """Read the facts of all that was paid for the last period that was paid; None before the first.

    A period may be paid in parts: an upgrade is charged by an invoice of its own. What became of an older period's
    money changes nothing: that period is over, and this one is paid. What was billed by hand pays for no period.
    """
    by_hand = subscription.invoices.filter(billing_reason="manual", stripe_id__isnull=False).values("stripe_id")
    paid = subscription.payments.filter(status=Payment.Status.SUCCEEDED, captured_minor__gt=0)
    paid = paid.exclude(stripe_invoice_id__in=by_hand)
    last = paid.order_by("-paid_at", "-pk").first()
    if last is None:
        return None
    billed = subscription.invoices.filter(stripe_id=last.stripe_invoice_id).first() if last.stripe_invoice_id else None
    if billed is None or billed.period_end is None:
        return of(last)
    parts = subscription.invoices.filter(period_end=billed.period_end, stripe_id__isnull=False)
    return of(*paid.filter(stripe_invoice_id__in=parts.values("stripe_id")).order_by("pk"))


class Unpaid(TypedDict):
    """What the policy asks of a period that is not paid."""

    uncollectible: bool
    skipped: bool
    paid_until: datetime | None


def unpaid(subscription: Subscription) -> Unpaid:
    """Say why the period that runs is not paid and will not be, and until when all was."""
    return {
        "uncollectible": uncollectible(subscription),
        "skipped": skipped(subscription),
        "paid_until": paid_until(subscription),
    }


def paid_until(subscription: Subscription) -> datetime | None:
    """Return the end of the last period that was paid, or cost nothing; None while no invoice tells."""
    paid = subscription.invoices.filter(status=Invoice.Status.PAID, billing_reason__startswith="subscription_")
    end: datetime | None = paid.aggregate(end=Max("period_end"))["end"]
    return end


def uncollectible(subscription: Subscription) -> bool:
    """Say whether the period that runs was billed by an invoice that is given up by now.

    Not what was billed beside it by hand, and not an older period's: it has been paid again since.
    """
    given_up = subscription.invoices.filter(
        status=Invoice.Status.UNCOLLECTIBLE,
        billing_reason__startswith="subscription_",
        period_end__gt=subscription.current_period_start,
    )
    return given_up.exists()


def skipped(subscription: Subscription) -> bool:
    """Say whether the period that runs began on a pause: its invoice was void before anybody tried to collect it.

    Not one that staff let go: that was open for a while.
    """
    at_once = Q(finalized_at=None) | Q(voided_at__lte=F("finalized_at") + AT_ONCE)
    void = subscription.invoices.filter(
        at_once,
        status=Invoice.Status.VOID,
        billing_reason="subscription_cycle",
        attempt_count=0,
        period_end=subscription.current_period_end,
    )
    return void.exists()
