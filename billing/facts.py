"""What became of the money of a payment, read from its refunds and disputes."""

from __future__ import annotations

from billing.models import Payment, Refund, Subscription
from billing.policy import Facts

Status = Refund.Status


def of(payment: Payment) -> Facts:
    """Read the facts that the policy decides by. A refund that is only asked for counts for nothing yet."""
    back = [row for row in payment.refunds.all() if row.status in (Status.PENDING, Status.SUCCEEDED)]
    return Facts(
        captured=payment.captured_minor,
        refunded=sum(row.amount_minor for row in back if row.status == Status.SUCCEEDED),
        returning=sum(row.amount_minor for row in back if row.status == Status.PENDING),
        refunded_at=max((row.created_at for row in back), default=None),
        disputes=tuple((row.status, row.opened_at) for row in payment.disputes.all()),
    )


def of_last(subscription: Subscription) -> Facts | None:
    """Read the facts of the payment of the period that runs; None before the first."""
    paid = subscription.payments.filter(status=Payment.Status.SUCCEEDED, captured_minor__gt=0)
    last = paid.order_by("-paid_at", "-pk").first()
    return of(last) if last else None
