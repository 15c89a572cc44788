"""What the product is told of an order that a payment pays (requirements.md, EV-05 and PA-09)."""

from __future__ import annotations

from datetime import datetime

from billing.models import Payment
from events import history
from events.models import Event

TYPE = "order.status.updated"
ORDER_STATUS = {
    Payment.Status.SUCCEEDED: "COMPLETED",
    Payment.Status.FAILED: "CANCELLED",
    Payment.Status.CANCELED: "CANCELLED",
}


def announce(payment: Payment, *, at: datetime) -> None:
    """Record what became of the order of a locked payment: each of its two ends once, however often it comes."""
    status = ORDER_STATUS.get(Payment.Status(payment.status))
    if payment.order_id is None or status is None:
        return
    subject, object = history.user(payment.customer.user_id), f"payment:{payment.pk}"
    if Event.objects.filter(subject=subject, type=TYPE, object=object, data__status=status).exists():
        return
    history.record(TYPE, subject=subject, object=object, at=at, data={"order_id": payment.order_id, "status": status})
