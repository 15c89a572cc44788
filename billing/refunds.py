"""What was paid back: asked for here, or made at Stripe."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError
from django.db.models import Sum

from billing import customers, findings, gateway, idempotency, retries
from billing.at_stripe import refunds as given_back
from billing.errors import NotRefundable, RefundOverCap, RefundTooLarge, StripeRefused
from billing.idempotency import BUSY_FOR, Asking
from billing.models import Dispute, Finding, Payment, Refund
from billing.transactions import whole
from events import clock, history
from pricing.money import Money
from vault import stops

Object = dict[str, Any]
Status = Refund.Status
STATUS_OF = {"requires_action": Status.PENDING, **{str(s): s for s in Status if s is not Status.REQUESTED}}


def create(
    payment: Payment, amount_minor: int | None, *, reason: str, asking: Asking, cap: Money | None = None
) -> tuple[Refund, bool]:
    """Give back an amount in minor units, all that is left without one. Returns the refund, and whether it is a replay.

    With a `cap` all that is given back of the payment must stay within it, however it is split.
    Raises NotRefundable, RefundTooLarge, RefundOverCap, KeyReused, KeyInFlight, StripeRefused, and StripeUnknown: then
    the refund stays requested, its amount stays spoken for, and the janitor finds out.
    """
    if refund := idempotency.earlier(Refund, asking):
        return _resumed(refund), True
    try:
        refund = _request(payment, amount_minor, reason, asking, cap)
    except IntegrityError:
        if refund := idempotency.earlier(Refund, asking):
            return _resumed(refund), True
        raise
    return send(refund, held=True), False


def send(refund: Refund, *, held: bool = False) -> Refund:
    """Ask Stripe for a requested refund, with the key of its attempt: however often, one refund is made.

    `held`: the row was just made, and is ours to speak about.
    """
    if not held:
        idempotency.take(refund, at=clock.now())
        refund.refresh_from_db()
    try:
        if not refund.stripe_id:
            _keep(refund, retries.made(refund, lambda: _ask(refund), lambda: _found(refund))["id"])
    except StripeRefused as refusal:
        _give_up(refund, str(refusal))
        raise
    finally:
        idempotency.release(refund)
    return refund


def unknown(*, at: datetime) -> list[Refund]:
    """Return the refunds of which nobody knows whether Stripe made them, the oldest 100."""
    rows = Refund.objects.filter(status=Status.REQUESTED, stripe_id=None, created_at__lt=at - timedelta(minutes=1))
    return list(rows.order_by("pk")[:100])


def settle_unknown(refund: Refund, *, at: datetime) -> None:
    """Find out: send again under the same key while Stripe remembers it, then only look."""
    if at - refund.created_at < retries.RESEND_FOR:
        send(refund)
        return
    if made := _found(refund):
        _keep(refund, made["id"])
    else:
        _give_up(refund, "Stripe has no such refund.")


def settle_all(payment: Payment, charge: Object, *, looked_at: datetime) -> None:
    """Bring the refunds of a locked payment to what its charge says, those made at Stripe too."""
    for found in reversed((charge.get("refunds") or {}).get("data", [])):
        refund = _of(payment, found) or _learned(payment, found, at=looked_at)
        if refund.looked_at and refund.looked_at > looked_at:
            continue
        refund.stripe_id, refund.looked_at = found["id"], looked_at
        refund.failure_reason = found.get("failure_reason") or ""
        refund.save(update_fields=["stripe_id", "looked_at", "failure_reason"])
        before = refund.status
        if refund.move_to(STATUS_OF[found["status"]], at=looked_at):
            if before == Status.SUCCEEDED:
                # The bank sent it back after access was taken for good: the buyer has neither.
                findings.open(Finding.Kind.STATUS, f"refund:{refund.pk}", ours=before, theirs=refund.status)
            _record(f"refund.{refund.status}", refund, payment, at=looked_at)
    count(payment)


def count(payment: Payment) -> None:
    """Add up what of a locked payment is given back, and what banks took back."""
    lost = payment.disputes.filter(status=Dispute.Status.LOST).aggregate(sum=Sum("amount_minor"))["sum"] or 0
    payment.lost_minor = min(lost, payment.captured_minor)
    # Staff may give back at Stripe what a refund of ours still asks for: Stripe will refuse one of the two.
    payment.refunded_minor = min(_sum(payment, Refund.LIVE), payment.captured_minor - payment.lost_minor)
    payment.disputed = payment.disputes.filter(status__in=[*Dispute.OPEN, Dispute.Status.LOST]).exists()
    payment.save(update_fields=["refunded_minor", "lost_minor", "disputed"])


@whole
def _request(payment: Payment, amount_minor: int | None, reason: str, asking: Asking, cap: Money | None) -> Refund:
    at = clock.now()
    customers.lock(payment.customer_id)
    payment = Payment.objects.select_for_update().get(pk=payment.pk)
    if payment.status != Payment.Status.SUCCEEDED or not payment.captured_minor:
        raise NotRefundable(payment.shown_status)
    asked = Money(payment.left.minor if amount_minor is None else amount_minor, payment.currency)
    if not 0 < asked.minor <= payment.left.minor:
        raise RefundTooLarge(asked, payment.left)
    if cap and payment.refunded_minor + asked.minor > cap.minor:
        raise RefundOverCap(asked, cap)
    refund = Refund.objects.create(
        payment=payment,
        amount_minor=asked.minor,
        currency=asked.currency,
        reason=reason,
        status=Status.REQUESTED,
        status_at=at,
        busy_until=at + BUSY_FOR,
        **asking.columns,
    )
    count(payment)
    _record("refund.requested", refund, payment, at=at)
    return refund


def _resumed(refund: Refund) -> Refund:
    if not refund.stripe_id and refund.status == Status.REQUESTED:
        settle_unknown(refund, at=clock.now())
        refund.refresh_from_db()
    return refund


def _ask(refund: Refund) -> Object:
    return gateway.create_refund(
        intent=str(refund.payment.stripe_id),
        amount_minor=refund.amount_minor,
        reason=refund.reason,
        id=refund.pk,
        attempt=refund.attempt,
    )


def _found(refund: Refund) -> Object | None:
    known = given_back.of_intent(str(refund.payment.stripe_id))
    return next((one for one in known if gateway.our_id(one, "refund_id") == refund.pk), None)


def _keep(refund: Refund, stripe_id: str) -> None:
    Refund.objects.filter(pk=refund.pk, stripe_id=None).update(stripe_id=stripe_id)
    stops.at("commit.billing.refunds._keep.after")
    refund.refresh_from_db()


@whole
def _give_up(refund: Refund, why: str) -> None:
    at = clock.now()
    customers.lock(refund.payment.customer_id)
    payment = Payment.objects.select_for_update().get(pk=refund.payment_id)
    if refund.move_to(Status.FAILED, at=at):
        Refund.objects.filter(pk=refund.pk).update(failure_reason=why[:255])
        count(payment)
        _record("refund.failed", refund, payment, at=at)


def _of(payment: Payment, found: Object) -> Refund | None:
    rows = payment.refunds.select_for_update()
    ours = gateway.our_id(found, "refund_id")
    # One row stands for one refund, and one given up for none: another that names it, made by whomever, is learned.
    unnamed = rows.filter(pk=ours, stripe_id=None, status=Status.REQUESTED).first() if ours else None
    return rows.filter(stripe_id=found["id"]).first() or unnamed


def _learned(payment: Payment, found: Object, *, at: datetime) -> Refund:
    refund = Refund.objects.create(
        payment=payment,
        stripe_id=found["id"],
        amount_minor=found["amount"],
        currency=found["currency"],
        reason=found["reason"] if found["reason"] in Refund.Reason.values else "",
        status=Status.REQUESTED,
        status_at=at,
        principal="stripe",
    )
    _record("refund.requested", refund, payment, at=at)
    return refund


def _sum(payment: Payment, statuses: tuple[str, ...]) -> int:
    return payment.refunds.filter(status__in=statuses).aggregate(sum=Sum("amount_minor"))["sum"] or 0


def _record(type: str, refund: Refund, payment: Payment, *, at: datetime) -> None:
    history.record(
        type,
        subject=history.user(payment.customer.user_id),
        object=f"refund:{refund.pk}",
        at=at,
        data={
            "payment_id": str(payment.pk),
            "status": refund.status,
            "amount": refund.amount_minor,
            "currency": refund.currency,
            "reason": refund.reason,
        },
    )
