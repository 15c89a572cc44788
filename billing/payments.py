"""What was paid: our row follows Stripe's payment intent."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import Q

from billing import attempts, customers, earned, facts, gateway, order_events, policy, refunds, subscriptions
from billing.models import Payment
from billing.times import moment
from entitlements import grants
from entitlements.grants import Source
from entitlements.models import SourceType
from events import history
from pricing.models import PlanVersion

Object = dict[str, Any]
Status = Payment.Status

STATUS_OF = {
    "requires_confirmation": Status.PENDING,
    "requires_action": Status.REQUIRES_ACTION,
    "requires_capture": Status.PROCESSING,
    "processing": Status.PROCESSING,
    "succeeded": Status.SUCCEEDED,
    "canceled": Status.CANCELED,
}
# The names that listeners of the services before know (requirements.md, EV-02 and ruling 1).
EVENT_OF = {Status.SUCCEEDED: "payment.completed", Status.FAILED: "payment.failed", Status.CANCELED: "payment.canceled"}


def settle(intent: Object, *, looked_at: datetime) -> bool:
    """Bring our payment to what its intent says, and grant or take back what it buys. False when it is not ours.

    Runs inside the caller's transaction; may be repeated, and a look older than the last changes nothing.
    """
    payment = _of(intent)
    if payment is None:
        return False
    customers.lock(payment.customer_id)
    payment = Payment.objects.select_for_update().get(pk=payment.pk)
    if payment.looked_at and payment.looked_at > looked_at:
        return True
    _copy(payment, intent, looked_at=looked_at)
    attempts.settle_all(payment, intent)
    _move(payment, intent, at=looked_at)
    if charge := intent.get("latest_charge"):
        refunds.settle_all(payment, charge, looked_at=looked_at)
    give(payment, at=looked_at)
    card = (intent.get("payment_method") or {}).get("card") or {}
    earned.check(payment, funding=card.get("funding") or "", at=looked_at)
    return True


def create(*, user_id: str, at: datetime, **columns: Any) -> Payment:
    """Make a pending payment, with its line of history, inside the caller's transaction."""
    payment = Payment.objects.create(status=Status.PENDING, status_at=at, **columns)
    _record("payment.created", payment, user_id=user_id, at=at)
    return payment


def cancel(payment: Payment, *, at: datetime) -> None:
    """Give up a payment that nobody will pay any more."""
    if payment.move_to(Status.CANCELED, at=at):
        _record(EVENT_OF[Status.CANCELED], payment, user_id=payment.customer.user_id, at=at)
        order_events.announce(payment, at=at)


def give(payment: Payment, *, at: datetime) -> None:
    """Make access follow the money of a payment: one source, so a replay neither grants nor takes twice."""
    if payment.subscription:
        subscriptions.entitle(payment.subscription, at=at)
    elif payment.bought and payment.status == Status.SUCCEEDED:
        source = Source(SourceType.ONE_TIME, str(payment.pk))
        taken = policy.taken(policy.Kind.ONE_TIME, facts.of(payment), policy.rules())
        match taken.action:
            case policy.Action.REVOKE:
                grants.revoke(source, reason=str(taken.reason), at=at)
            case policy.Action.SUSPEND:
                grants.suspend(source, reason=str(taken.reason), at=at)
            case _:
                _grant(payment, payment.bought, source, ends_at=taken.ends_at, at=at)


def _grant(payment: Payment, version: PlanVersion, source: Source, *, ends_at: datetime | None, at: datetime) -> None:
    starts_at = payment.paid_at or at
    grants.grant(
        payment.customer.user_id,
        version,
        source=source,
        starts_at=starts_at,
        ends_at=ends_at and max(starts_at, ends_at),
        at=at,
    )


def status_of(intent: Object) -> Status:
    """Translate Stripe's status of an intent into ours."""
    if intent["status"] == "requires_payment_method":
        return Status.FAILED if intent.get("last_payment_error") else Status.PENDING
    return STATUS_OF[intent["status"]]


def _of(intent: Object) -> Payment | None:
    checkout_id = gateway.our_id(intent, "checkout_id")
    named = Q(stripe_id=intent["id"])
    if payment_id := gateway.our_id(intent, "payment_id"):
        named |= Q(pk=payment_id, stripe_id=None)
    if checkout_id:
        named |= Q(checkout_id=checkout_id, stripe_id=None)
    return Payment.objects.filter(named).first()


def _copy(payment: Payment, intent: Object, *, looked_at: datetime) -> None:
    method = intent.get("payment_method") or {}
    charge = intent.get("latest_charge") or {}
    error = intent.get("last_payment_error") or {}
    payment.stripe_id = intent["id"]
    payment.stripe_charge_id = charge.get("id", "")
    payment.stripe_payment_method_id = method.get("id", "")
    payment.method_type = method.get("type") or payment.method_type
    payment.card_country = (method.get("card") or {}).get("country") or ""
    payment.captured_minor = intent["amount_received"]
    payment.failure_code = error.get("decline_code") or error.get("code") or ""
    payment.failure_reason = error.get("message") or ""
    payment.looked_at = payment.updated_at = looked_at
    if intent["status"] == "succeeded" and payment.paid_at is None:
        # Our clock may be behind Stripe's: access begins with the payment, never after it.
        payment.paid_at = min(moment(charge.get("created") or intent["created"]), looked_at)


def _move(payment: Payment, intent: Object, *, at: datetime) -> None:
    before = Payment.objects.only("status", "stripe_charge_id").get(pk=payment.pk)
    payment.save(
        update_fields=[
            "stripe_id",
            "stripe_charge_id",
            "stripe_payment_method_id",
            "method_type",
            "card_country",
            "captured_minor",
            "failure_code",
            "failure_reason",
            "looked_at",
            "updated_at",
            "paid_at",
        ]
    )
    status = status_of(intent)
    moved = payment.move_to(status, at=at)
    declined_again = status == Status.FAILED == before.status and payment.stripe_charge_id != before.stripe_charge_id
    if moved or declined_again:
        type = EVENT_OF.get(Status(status), "payment.status.updated")
        _record(type, payment, user_id=payment.customer.user_id, at=at)
        order_events.announce(payment, at=at)


def _record(type: str, payment: Payment, *, user_id: str, at: datetime) -> None:
    history.record(
        type,
        subject=history.user(user_id),
        object=f"payment:{payment.pk}",
        at=at,
        data={
            "status": payment.status,
            "amount": payment.amount_minor,
            "currency": payment.currency,
            "stripe_id": payment.stripe_id,
            "failure_code": payment.failure_code,
        },
    )
