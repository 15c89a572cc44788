"""What is billed: our row follows Stripe's invoice, and the payments that pay it follow too."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import Q

from billing import customers, gateway, notices, payments, subscriptions
from billing.models import Customer, Invoice, InvoiceLine, Payment, Subscription
from billing.models.invoice import STRIPE
from billing.times import maybe, moment
from events import history

Object = dict[str, Any]
Status = Invoice.Status
STATUS_OF = {str(status): status for status in Status}
# How a status is reached when a look missed what lay between.
BY_WAY_OF = {Status.PAID: Status.OPEN, Status.VOID: Status.OPEN, Status.UNCOLLECTIBLE: Status.OPEN}
# What says of a period that nobody pays it.
UNPAID = {Status.UNCOLLECTIBLE, Status.VOID}
MONEY = (
    "subtotal_minor",
    "tax_minor",
    "total_minor",
    "amount_due_minor",
    "amount_paid_minor",
    "amount_remaining_minor",
)
LINE = ("position", "description", "amount_minor", "tax_minor", "quantity", "proration", "period_start", "period_end")


def settle(invoice: Object, *, looked_at: datetime) -> bool:
    """Bring our invoice, its lines and its payment rows to what Stripe says. False when it is none of ours.

    Runs inside the caller's transaction; may be repeated, and a look older than the last changes nothing.
    """
    stripe_id = subscription_of(invoice)
    subscription = Subscription.objects.filter(stripe_id=stripe_id).first() if stripe_id else None
    if stripe_id and subscription is None:
        return False
    customer = subscription.customer if subscription else _customer_of(invoice)
    if customer is None:
        return False
    customers.lock(customer.pk)
    row = _of(invoice, customer) or _learned(invoice, customer, subscription, at=looked_at)
    _make_payments(invoice, row, at=looked_at)
    if row.looked_at and row.looked_at > looked_at:
        return True
    before = row.status
    _follow(row, invoice, at=looked_at)
    if row.subscription and UNPAID & {before, row.status} and before != row.status:
        subscriptions.entitle(row.subscription, at=looked_at)
    notices.of_invoice(row, at=looked_at)
    return True


def vanish(stripe_id: str, *, at: datetime) -> bool:
    """Close our row of an invoice that Stripe does not know any more: only a draft can be deleted there."""
    row = Invoice.objects.select_related("customer").filter(stripe_id=stripe_id).first()
    if row is None:
        return False
    customers.lock(row.customer_id)
    if row.move_to(Status.DELETED, at=at):
        record("invoice.deleted", row, at=at)
    return True


def subscription_of(invoice: Object) -> str | None:
    """Return the Stripe id of the subscription that an invoice bills (its place since 2025-03-31.basil)."""
    parent = invoice.get("parent") or {}
    return gateway.id_of((parent.get("subscription_details") or {}).get("subscription"))


def record(type: str, row: Invoice, *, at: datetime) -> None:
    """Write a line of the customer's history."""
    history.record(
        type,
        subject=history.user(row.customer.user_id),
        object=f"invoice:{row.pk}",
        at=at,
        data={
            "status": row.status,
            "stripe_id": row.stripe_id,
            "subscription_id": str(row.subscription_id) if row.subscription_id else None,
            "currency": row.currency,
            "attempt_count": row.attempt_count,
            **{name.removesuffix("_minor"): getattr(row, name) for name in MONEY},
        },
    )


def _customer_of(invoice: Object) -> Customer | None:
    return customers.with_stripe_id(gateway.id_of(invoice["customer"]) or "")


def _of(invoice: Object, customer: Customer) -> Invoice | None:
    named = Q(stripe_id=invoice["id"])
    if ours := gateway.our_id(invoice, "invoice_id"):
        # Metadata may be copied in the dashboard: it names a row of this customer that has no invoice yet.
        named |= Q(pk=ours, customer=customer, stripe_id=None, status=Status.DRAFT)
    return Invoice.objects.select_for_update(of=("self",)).filter(named).order_by("stripe_id").first()


def _learned(invoice: Object, customer: Customer, subscription: Subscription | None, *, at: datetime) -> Invoice:
    row = Invoice.objects.create(
        customer=customer,
        subscription=subscription,
        stripe_id=invoice["id"],
        currency=invoice["currency"],
        principal=STRIPE,
        status=Status.DRAFT,
        status_at=at,
    )
    record("invoice.created", row, at=at)
    return row


def _make_payments(invoice: Object, row: Invoice, *, at: datetime) -> None:
    """Make the rows of the payments that Stripe wants for an invoice; each then follows its own intent."""
    for paying in invoice["payments"]["data"]:
        intent = paying["payment"].get("payment_intent")
        if intent and not Payment.objects.filter(stripe_id=intent).exists():
            payments.create(
                customer_id=row.customer_id,
                user_id=row.customer.user_id,
                at=at,
                subscription=row.subscription,
                stripe_id=intent,
                stripe_invoice_id=invoice["id"],
                amount_minor=paying["amount_requested"],
                currency=paying["currency"],
                description=row.subscription.version.plan.name if row.subscription else "",
            )


def _follow(row: Invoice, invoice: Object, *, at: datetime) -> None:
    before = {name: getattr(row, name) for name in (*MONEY, "attempt_count", "looked_at")}
    seen = _seen(invoice)
    if row.customer.erased_at:
        # Stripe may hold his name still: nothing of it comes back to us.
        seen |= {"hosted_invoice_url": "", "invoice_pdf": ""}
        invoice = {**invoice, "lines": {"data": [{**one, "description": ""} for one in invoice["lines"]["data"]]}}
    _lines(row, invoice["lines"]["data"])
    for name, value in seen.items():
        setattr(row, name, value)
    row.looked_at = row.updated_at = at
    row.save(update_fields=[*seen, "looked_at", "updated_at"])
    moved = _walk(row, STATUS_OF[invoice["status"]], at=at)
    if row.attempt_count > before["attempt_count"] and row.status == Status.OPEN:
        record("invoice.payment_failed", row, at=at)
    elif not moved and before["looked_at"] and any(getattr(row, name) != before[name] for name in MONEY):
        record("invoice.updated", row, at=at)


def _walk(row: Invoice, status: Status, *, at: datetime) -> bool:
    """Go to a status by its steps: two looks may lie days apart, and what was between them was never seen."""
    if row.status == Status.DRAFT and status in BY_WAY_OF:
        _walk(row, BY_WAY_OF[status], at=at)
    moved = row.move_to(status, at=at)
    if moved:
        record(f"invoice.{row.status}", row, at=at)
    return moved


def _seen(invoice: Object) -> dict[str, Any]:
    taxes = invoice.get("total_taxes") or []
    became = invoice["status_transitions"]
    lines = invoice["lines"]["data"]
    return {
        "stripe_id": invoice["id"],
        "number": invoice["number"] or "",
        "billing_reason": invoice["billing_reason"] or "",
        "currency": invoice["currency"],
        "subtotal_minor": invoice["subtotal"],
        "tax_minor": _sum(taxes),
        "total_minor": invoice["total"],
        "amount_due_minor": invoice["amount_due"],
        "amount_paid_minor": invoice["amount_paid"],
        "amount_remaining_minor": invoice["amount_remaining"],
        "taxes": taxes,
        # Stripe's own period of a subscription's invoice is the one before the one that it bills.
        "period_start": moment(min((line["period"]["start"] for line in lines), default=invoice["period_start"])),
        "period_end": moment(max((line["period"]["end"] for line in lines), default=invoice["period_end"])),
        "hosted_invoice_url": invoice["hosted_invoice_url"] or "",
        "invoice_pdf": invoice["invoice_pdf"] or "",
        "attempt_count": invoice["attempt_count"],
        "next_payment_attempt_at": maybe(invoice["next_payment_attempt"]),
        "due_at": maybe(invoice["due_date"]),
        **{name: maybe(became[name]) for name in ("finalized_at", "paid_at", "voided_at", "marked_uncollectible_at")},
    }


def _lines(row: Invoice, found: list[Object]) -> None:
    rows = [InvoiceLine(invoice=row, stripe_id=line["id"], **_line(line, place)) for place, line in enumerate(found)]
    row.lines.exclude(stripe_id__in=[line["id"] for line in found]).delete()
    InvoiceLine.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["invoice", "stripe_id"], update_fields=[*LINE, "taxes"]
    )


def _line(line: Object, position: int) -> dict[str, Any]:
    parent = line["parent"] or {}
    details = parent.get(parent.get("type") or "") or {}
    return {
        "position": position,
        "description": line["description"] or "",
        "amount_minor": line["amount"],
        "tax_minor": _sum(line["taxes"]),
        "quantity": line["quantity"],
        "proration": bool(details.get("proration")),
        "period_start": moment(line["period"]["start"]),
        "period_end": moment(line["period"]["end"]),
        "taxes": line["taxes"] or [],
    }


def _sum(taxes: list[Object] | None) -> int:
    return sum(tax["amount"] for tax in taxes or [])
