"""Bill now what waits at Stripe for a customer's next invoice, once, whatever happens in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError

from billing import customers, gateway, idempotency, invoices, retries, stripe_customers
from billing.at_stripe import invoices as at_stripe
from billing.errors import InvoiceNotOpen, NothingToInvoice, StripeRefused
from billing.idempotency import BUSY_FOR, Asking
from billing.models import Customer, Invoice, Subscription
from billing.models.invoice import STRIPE
from billing.times import moment
from billing.transactions import whole
from events import clock
from vault import stops

Object = dict[str, Any]
Status = Invoice.Status
GIVE_TIME = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whom to bill, for one subscription or for all that he has, and for which period `[start, end)`."""

    customer: Customer
    subscription: Subscription | None = None
    period_start: datetime | None = None
    period_end: datetime | None = None

    def holds(self, item: Object) -> bool:
        """Say whether an item that waits at Stripe is wanted: of the subscription, with all of its own period."""
        if self.subscription and _subscription_of(item) != self.subscription.stripe_id:
            return False
        start, end = moment(item["period"]["start"]), moment(item["period"]["end"])
        after = self.period_start is None or start >= self.period_start
        return after and (self.period_end is None or end <= self.period_end)


def generate(wanted: Wanted, *, asking: Asking) -> tuple[Invoice, bool]:
    """Bill what waits, and let Stripe collect it. Returns the invoice, and whether it is a replay.

    One invoice has one currency: that of what has waited longest. What to bill is committed with the row before Stripe
    is asked, so that the same key bills the same. Raises NothingToInvoice, KeyReused, KeyInFlight, StripeRefused (the
    invoice is deleted, its items wait again), and StripeUnknown: then it stays a draft, and the janitor finds out.
    """
    if invoice := idempotency.earlier(Invoice, asking):
        return _resumed(invoice), True
    try:
        invoice = _request(wanted, _asked(wanted), asking)
    except (IntegrityError, NothingToInvoice):
        # What waited may be taken already: by the first request under this very key.
        if invoice := idempotency.earlier(Invoice, asking):
            return _resumed(invoice), True
        raise
    return send(invoice, held=True), False


def send(invoice: Invoice, *, held: bool = False) -> Invoice:
    """Bring a requested invoice to its end at Stripe: made, filled, finalized. May be repeated.

    `held`: the row was just made, and is ours to speak about.
    """
    if not held:
        idempotency.take(invoice, at=clock.now())
        invoice.refresh_from_db()
    try:
        if invoice.status == Status.DRAFT:
            _finish(invoice)
    except StripeRefused as refusal:
        _give_up(invoice)
        if refusal.stripe_code == "invoice_no_customer_line_items":
            raise NothingToInvoice from refusal
        raise
    finally:
        idempotency.release(invoice)
    invoice.refresh_from_db()
    return invoice


def close(invoice: Invoice, *, void: bool) -> Invoice:
    """Void an open invoice, or mark it uncollectible. May be repeated.

    Raises InvoiceNotOpen, StripeRefused, StripeUnknown.
    """
    status = Status.VOID if void else Status.UNCOLLECTIBLE
    if invoice.status == status:
        return invoice
    if status not in invoice.NEXT[invoice.status]:
        raise InvoiceNotOpen(invoice.status)
    at = clock.now()
    try:
        found = at_stripe.close(str(invoice.stripe_id), void=void)
    except StripeRefused:
        # An earlier try may have done it, and its answer was lost.
        found = gateway.fetch(str(invoice.stripe_id)) or {}
        if found.get("status") != status:
            raise
    whole(invoices.settle)(at_stripe.with_all_lines(found), looked_at=at)
    invoice.refresh_from_db()
    return invoice


def unknown(*, at: datetime) -> list[Invoice]:
    """Return the invoices that were asked for and of which nobody knows how far Stripe got, the oldest 100."""
    rows = Invoice.objects.filter(status=Status.DRAFT, created_at__lt=at - GIVE_TIME).exclude(principal=STRIPE)
    return list(rows.select_related("customer").order_by("pk")[:100])


def settle_unknown(invoice: Invoice, *, at: datetime) -> None:
    """Find out: send again under the same keys while Stripe remembers them, then only look before."""
    if not invoice.stripe_id and at - invoice.created_at >= retries.RESEND_FOR:
        made = at_stripe.with_our_id(invoice.asked["params"]["customer"], invoice.pk)
        if made is None:
            _give_up(invoice)
            return
        _keep(invoice, made["id"])
    send(invoice)


def _finish(invoice: Invoice) -> None:
    if not invoice.stripe_id:
        params, payer = invoice.asked["params"], invoice.asked["params"]["customer"]
        made = retries.made(
            invoice,
            lambda: at_stripe.draft(params, id=invoice.pk, attempt=invoice.attempt),
            lambda: at_stripe.with_our_id(payer, invoice.pk),
        )
        _keep(invoice, made["id"])
    stripe_id = str(invoice.stripe_id)
    at = clock.now()
    found = gateway.fetch(stripe_id)
    if found is None:
        _write_deleted(invoice)
        return
    if found["status"] == Status.DRAFT:
        if not found["lines"]["data"]:
            _fill(invoice)
        at = clock.now()
        found = retries.made(
            invoice,
            lambda: at_stripe.finalize(stripe_id, id=invoice.pk, attempt=invoice.attempt),
            lambda: _there(invoice, lambda found: found["status"] != Status.DRAFT),
        )
    # Not by a look: one that began before may hold the lease, and would show the state before.
    whole(invoices.settle)(at_stripe.with_all_lines(found), looked_at=at)


def _fill(invoice: Invoice) -> None:
    stripe_id, items = str(invoice.stripe_id), invoice.asked["items"]
    retries.made(
        invoice,
        lambda: at_stripe.add_items(stripe_id, items, id=invoice.pk, attempt=invoice.attempt),
        lambda: _there(invoice, lambda found: bool(found["lines"]["data"])),
    )


def _there(invoice: Invoice, is_so: Callable[[Object], bool]) -> Object | None:
    found = gateway.fetch(str(invoice.stripe_id))
    return found if found and is_so(found) else None


def _asked(wanted: Wanted) -> Object:
    """Work out what Stripe shall be asked. Raises NothingToInvoice."""
    params: Object = {}
    payers = stripe_customers.open_ids(wanted.customer)
    if wanted.subscription and (found := gateway.fetch(wanted.subscription.stripe_id)):
        payers = [str(gateway.id_of(found["customer"]))]
        # A subscription that was bought on Stripe's page has a card of its own.
        if method := gateway.id_of(found["default_payment_method"]):
            params["default_payment_method"] = method
    # One for each currency that Stripe has locked him to: the first for whom something waits.
    found_items = ((payer, list(_waiting(payer, wanted))) for payer in payers)
    params["customer"], items = next((one for one in found_items if one[1]), ("", []))
    if not items:
        raise NothingToInvoice
    params["currency"] = items[-1]["currency"]
    return {"params": params, "items": [one["id"] for one in items if one["currency"] == params["currency"]][::-1]}


def _waiting(stripe_customer: str, wanted: Wanted) -> Iterator[Object]:
    return (item for item in at_stripe.waiting_items(stripe_customer) if wanted.holds(item))


def _subscription_of(item: Object) -> str | None:
    parent = item["parent"] or {}
    return gateway.id_of((parent.get("subscription_details") or {}).get("subscription"))


@whole
def _request(wanted: Wanted, asked: Object, asking: Asking) -> Invoice:
    at = clock.now()
    customers.lock(wanted.customer.pk)
    invoice = Invoice.objects.create(
        customer=wanted.customer,
        subscription=wanted.subscription,
        asked=asked,
        currency=asked["params"]["currency"],
        billing_reason="manual",
        status=Status.DRAFT,
        status_at=at,
        busy_until=at + BUSY_FOR,
        **asking.columns,
    )
    invoices.record("invoice.created", invoice, at=at)
    return invoice


def _resumed(invoice: Invoice) -> Invoice:
    if invoice.status == Status.DRAFT:
        settle_unknown(invoice, at=clock.now())
        invoice.refresh_from_db()
    return invoice


def _keep(invoice: Invoice, stripe_id: str) -> None:
    Invoice.objects.filter(pk=invoice.pk, stripe_id=None).update(stripe_id=stripe_id)
    stops.at("commit.billing.invoicing._keep.after")
    invoice.refresh_from_db()


def _give_up(invoice: Invoice) -> None:
    """Delete what there is of a draft at Stripe, then ours. Raises StripeUnknown: it stays a draft then."""
    if invoice.stripe_id:
        at_stripe.delete(invoice.stripe_id)
    _write_deleted(invoice)


@whole
def _write_deleted(invoice: Invoice) -> None:
    at = clock.now()
    customers.lock(invoice.customer_id)
    if invoice.move_to(Status.DELETED, at=at):
        invoices.record("invoice.deleted", invoice, at=at)
