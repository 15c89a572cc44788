"""What banks take back: our row follows Stripe's dispute, and access follows it by the policy."""

from __future__ import annotations

from datetime import datetime

from billing import customers, findings, payments, refunds
from billing.gateway import Object, id_of
from billing.models import Dispute, Finding, Payment
from billing.times import maybe, moment
from entitlements import grants
from entitlements.models import Reason
from events import history

Status = Dispute.Status
# The words of history; moves that are not named here are told as `dispute.updated`.
TOLD = {Status.WON: "dispute.won", Status.LOST: "dispute.lost", Status.WARNING_CLOSED: "dispute.closed"}


def settle(found: Object, *, looked_at: datetime) -> bool:
    """Bring our dispute to what Stripe says, and access with it. False when its payment is none of ours.

    Runs inside the caller's transaction; may be repeated, and a look older than the last changes nothing.
    """
    intent = id_of(found["payment_intent"])
    payment = Payment.objects.filter(stripe_id=intent).first() if intent else None
    if payment is None:
        return False
    customers.lock(payment.customer_id)
    payment = Payment.objects.select_for_update().get(pk=payment.pk)
    dispute = Dispute.objects.select_for_update().filter(stripe_id=found["id"]).first()
    if dispute and dispute.looked_at > looked_at:
        return True
    if dispute is None:
        dispute = _begin(payment, found, at=looked_at)
    before = dispute.status
    _follow(dispute, found, at=looked_at)
    refunds.count(payment)
    payments.give(payment, at=looked_at)
    if before == Status.LOST and dispute.status == Status.WON:
        _require_a_person(dispute)
    return True


def _require_a_person(dispute: Dispute) -> None:
    """Open a finding where the money is back and access is not: what was revoked stays so until staff say otherwise."""
    bought = str(dispute.payment.subscription_id or dispute.payment_id)
    if grants.is_revoked(bought, reason=Reason.CHARGEBACK):
        findings.open(Finding.Kind.STATUS, f"dispute:{dispute.pk}", ours="revoked", theirs=dispute.status)


def _begin(payment: Payment, found: Object, *, at: datetime) -> Dispute:
    # As it was opened: what became of it since is the first move, so that history tells both.
    inquiry = found["status"].startswith("warning")
    dispute = Dispute.objects.create(
        payment=payment,
        stripe_id=found["id"],
        amount_minor=found["amount"],
        currency=found["currency"],
        reason=found["reason"],
        status=Status.WARNING_NEEDS_RESPONSE if inquiry else Status.NEEDS_RESPONSE,
        status_at=at,
        opened_at=moment(found["created"]),
        looked_at=at,
    )
    _record("dispute.opened", dispute, at=at)
    return dispute


def _follow(dispute: Dispute, found: Object, *, at: datetime) -> None:
    dispute.amount_minor, dispute.looked_at = found["amount"], at
    dispute.evidence_due_at = maybe((found.get("evidence_details") or {}).get("due_by"))
    moved = dispute.move_to(found["status"], at=at)
    if dispute.status in Dispute.ENDED:
        dispute.closed_at = dispute.closed_at or at
    dispute.save(update_fields=["amount_minor", "looked_at", "evidence_due_at", "closed_at"])
    if moved:
        _record(TOLD.get(Status(dispute.status), "dispute.updated"), dispute, at=at)


def _record(type: str, dispute: Dispute, *, at: datetime) -> None:
    history.record(
        type,
        subject=history.user(dispute.payment.customer.user_id),
        object=f"dispute:{dispute.pk}",
        at=at,
        data={
            "payment_id": str(dispute.payment_id),
            "status": dispute.status,
            "amount": dispute.amount_minor,
            "currency": dispute.currency,
            "reason": dispute.reason,
        },
    )
