"""Refunds over the cap: one admin asks, another one decides."""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError

from billing import idempotency, refunds
from billing.errors import AlreadyDecided, RefundTooLarge, SecondAdminNeeded, StripeRefused
from billing.idempotency import Asking
from billing.models import Payment, Refund, RefundApproval
from billing.transactions import whole
from events import clock, history
from pricing.money import Money

Status = RefundApproval.Status


def ask(payment: Payment, amount_minor: int | None, *, reason: str, asking: Asking) -> tuple[RefundApproval, bool]:
    """Ask another admin for a refund: an amount in minor units, all that is left now without one.

    Nothing is spoken for until he approves. Returns the row, and whether it is a replay. Raises RefundTooLarge and
    KeyReused.
    """
    if approval := idempotency.earlier(RefundApproval, asking):
        return approval, True
    try:
        return _ask(payment, amount_minor, reason, asking), False
    except IntegrityError:
        if approval := idempotency.earlier(RefundApproval, asking):
            return approval, True
        raise


def approve(approval: RefundApproval, *, by: str) -> tuple[Refund, bool]:
    """Approve as another admin, and give the money back. May be repeated: one refund is made.

    Raises SecondAdminNeeded, AlreadyDecided, and what `refunds.create` raises: the approval stands then, and a
    repeated call tries again, with another refund where Stripe has refused the last one.
    """
    approval = _decide(approval, Status.APPROVED, by=by)
    asking = _asking(approval)
    refund, replayed = refunds.create(approval.payment, approval.amount_minor, reason=approval.reason, asking=asking)
    if refund.was_refused:
        # While this call was on its way, by another one's.
        raise StripeRefused(refund.failure_reason)
    RefundApproval.objects.filter(pk=approval.pk, refund=None).update(refund=refund)
    return refund, replayed


def decline(approval: RefundApproval, *, by: str) -> RefundApproval:
    """Decline as another admin. May be repeated. Raises SecondAdminNeeded and AlreadyDecided."""
    return _decide(approval, Status.DECLINED, by=by)


def _asking(approval: RefundApproval) -> Asking:
    principal = f"approval:{approval.pk}"
    refused = sum(refund.was_refused for refund in Refund.objects.filter(principal=principal))
    return Asking.of(principal, f"{approval.pk}:{refused + 1}" if refused else str(approval.pk), {})


@whole
def _ask(payment: Payment, amount_minor: int | None, reason: str, asking: Asking) -> RefundApproval:
    at = clock.now()
    asked = Money(payment.left.minor if amount_minor is None else amount_minor, payment.currency)
    if not 0 < asked.minor <= payment.left.minor:
        raise RefundTooLarge(asked, payment.left)
    approval = RefundApproval.objects.create(
        payment=payment,
        amount_minor=asked.minor,
        currency=asked.currency,
        reason=reason,
        status=Status.WAITING,
        status_at=at,
        **asking.columns,
    )
    _record("refund_approval.requested", approval, at=at)
    return approval


@whole
def _decide(approval: RefundApproval, status: Status, *, by: str) -> RefundApproval:
    at = clock.now()
    approval = RefundApproval.objects.select_for_update(of=("self",)).select_related("payment").get(pk=approval.pk)
    if by == approval.principal:
        raise SecondAdminNeeded
    if approval.status == status:
        return approval
    if approval.status != Status.WAITING:
        raise AlreadyDecided(approval.status)
    approval.decided_by = by
    approval.save(update_fields=["decided_by"])
    approval.move_to(status, at=at)
    _record(f"refund_approval.{approval.status}", approval, at=at)
    return approval


def _record(type: str, approval: RefundApproval, *, at: datetime) -> None:
    history.record(
        type,
        subject=history.user(approval.payment.customer.user_id),
        object=f"refund_approval:{approval.pk}",
        at=at,
        data={
            "payment_id": str(approval.payment_id),
            "amount": approval.amount_minor,
            "currency": approval.currency,
            "reason": approval.reason,
            "asked_by": approval.principal,
            "decided_by": approval.decided_by,
        },
    )
