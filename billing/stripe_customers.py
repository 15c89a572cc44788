"""Our customers as Stripe has them: made on first need, once, whatever races; a second one for a second currency."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db.models import F, Q

from billing import leases
from billing.at_stripe import customers as there
from billing.errors import StripeRefused, StripeUnknown
from billing.models import Customer, PaymentMethod, StripeCustomer
from billing.transactions import whole
from events import clock, history
from vault import stops

log = structlog.get_logger("farebox.customers")
# No try with the key of one attempt begins later than this after the first one,
SEND_FOR = timedelta(minutes=1)
# so by then each has ended, and what it made is in Stripe's list.
KNOWN_AFTER = timedelta(minutes=2)
# Stripe's clock and ours.
SKEW = timedelta(minutes=10)


def at_stripe(customer: Customer, currency: str = "") -> str:
    """Return the id of Stripe's customer, made on first need.

    `currency` is that of something that recurs: Stripe keeps a customer to one, so another currency gets another
    customer. A single payment may be in any, and names none. Raises StripeUnknown, StripeRefused.
    """
    row = _chosen(customer.pk, currency.lower())
    if not row.stripe_id:
        _make(row)
    customer.refresh_from_db(fields=["stripe_id"])
    try:
        tell(row)
    except StripeUnknown:
        log.warning("not told yet", stripe_id=row.stripe_id)
    # Telling it may have shown that it is gone.
    return at_stripe(customer, currency) if row.closed_at else str(row.stripe_id)


def row_of(stripe_id: str | None) -> StripeCustomer | None:
    """Find one of Stripe's customers of ours, closed ones too."""
    return StripeCustomer.objects.filter(stripe_id=stripe_id).first() if stripe_id else None


def with_stripe_id(stripe_id: str | None) -> Customer | None:
    """Find our customer by any id that he has or had at Stripe."""
    return Customer.objects.filter(stripe_customers__stripe_id=stripe_id).first() if stripe_id else None


def stripe_ids(customer: Customer) -> list[str]:
    """Return every id by which Stripe knows a customer, or knew him."""
    rows = customer.stripe_customers.exclude(stripe_id=None).order_by("pk")
    return [str(stripe_id) for stripe_id in rows.values_list("stripe_id", flat=True)]


def open_ids(customer: Customer) -> list[str]:
    """Return the ids of the customers at Stripe that stand for ours now, one for each currency."""
    rows = customer.stripe_customers.exclude(stripe_id=None).filter(closed_at=None).order_by("pk")
    return [str(stripe_id) for stripe_id in rows.values_list("stripe_id", flat=True)]


def lock(customer_id: UUID) -> Customer:
    """Take the customer's row: the first lock of every change to what he bought."""
    return Customer.objects.select_for_update().get(pk=customer_id)


def unknown(*, at: datetime) -> list[StripeCustomer]:
    """Return those of which nobody knows whether Stripe made them, the oldest 100."""
    rows = StripeCustomer.objects.filter(stripe_id=None, closed_at=None, asked_at__lt=at - KNOWN_AFTER)
    return list(rows.order_by("pk")[:100])


def settle_unknown(row: StripeCustomer) -> None:
    """Find out what became of a customer that was asked for: it is found in Stripe's list, or made now."""
    _make(row)


def behind() -> list[StripeCustomer]:
    """Return those whom Stripe does not yet know as they were last described here, the oldest 100."""
    late = Q(told_at=None) | Q(told_at__lt=F("customer__changed_at"))
    rows = StripeCustomer.objects.filter(late, customer__changed_at__isnull=False, closed_at=None)
    return list(rows.exclude(stripe_id=None).order_by("pk")[:100])


def is_behind(row: StripeCustomer, customer: Customer) -> bool:
    """Say whether Stripe has yet to hear what was last said here."""
    return customer.changed_at is not None and (row.told_at is None or row.told_at < customer.changed_at)


def tell(row: StripeCustomer) -> None:
    """Tell Stripe who it is, as last said here. Raises StripeUnknown: then the janitor tells it.

    One at a time speaks of a customer: of two changes the later must be the last that Stripe hears.
    """
    customer = Customer.objects.get(pk=row.customer_id)
    if not is_behind(row, customer):
        return
    held = leases.take(f"tell:{row.stripe_id}")
    if held is None:
        return  # Whoever speaks sees this change too, or the janitor does.
    try:
        while is_behind(row, customer) and not row.closed_at:
            _say(row, customer)
            row.refresh_from_db()
            customer = Customer.objects.get(pk=row.customer_id)
    finally:
        leases.release(held)


@whole
def keep(row: StripeCustomer, stripe_id: str) -> None:
    """Keep the id of what Stripe made. May be repeated, and race."""
    customer = lock(row.customer_id)
    StripeCustomer.objects.filter(pk=row.pk, stripe_id=None).update(stripe_id=stripe_id)
    row.refresh_from_db()
    _name_first(customer)


@whole
def adopt(customer: Customer, stripe_id: str, *, currency: str) -> None:
    """Take up a customer that was made at Stripe by others; `currency` is what it is locked to there, or empty."""
    StripeCustomer.objects.create(customer=lock(customer.pk), stripe_id=stripe_id, currency=currency)
    _name_first(customer)


@whole
def close(row: StripeCustomer, *, at: datetime) -> None:
    """Buy nothing new with it: it is gone at Stripe, or of no use. The next need makes another."""
    customer = lock(row.customer_id)
    if not StripeCustomer.objects.filter(pk=row.pk, closed_at=None).update(closed_at=at):
        return
    row.refresh_from_db()
    _name_first(customer)
    PaymentMethod.objects.filter(stripe_customer=row, detached_at=None).exclude(attached_at=None).update(
        is_default=False, detached_at=at
    )
    history.record(
        "customer.closed_at_stripe",
        subject=history.user(customer.user_id),
        object=f"customer:{customer.pk}",
        at=at,
        data={"stripe_id": row.stripe_id, "currency": row.currency},
    )


@whole
def _chosen(customer_id: UUID, currency: str) -> StripeCustomer:
    """Choose the one of this currency, else claim one that has none yet, else begin another."""
    lock(customer_id)
    rows = list(StripeCustomer.objects.filter(customer_id=customer_id, closed_at=None).order_by("pk"))
    if not currency and rows:
        return rows[0]
    row = next((one for one in rows if one.currency == currency), None)
    if row is None and (row := next((one for one in rows if not one.currency), None)):
        row.currency = currency
        row.save(update_fields=["currency"])
    return row or StripeCustomer.objects.create(customer_id=customer_id, currency=currency)


def _make(row: StripeCustomer) -> None:
    """Make it at Stripe. Racing callers send the same key, so Stripe makes one and tells all of them the same id.

    Stripe answers a key for a day as it did first, a 500 too. So a key is sent for a minute only; after two the list
    tells what it made, and where it made nothing the next attempt has a key of its own.
    """
    at = clock.now()
    StripeCustomer.objects.filter(pk=row.pk, asked_at=None).update(asked_at=at)
    stops.at("commit.billing.stripe_customers._make.after")
    row.refresh_from_db()
    asked_at = row.asked_at or at
    if not row.stripe_id and at - asked_at > SEND_FOR:
        made = there.made_for(row.pk, since=asked_at - SKEW, until=asked_at + KNOWN_AFTER + SKEW)
        if made:
            keep(row, made["id"])
        elif at - asked_at <= KNOWN_AFTER:
            raise StripeUnknown("the customer was asked for a moment ago")
        else:
            _next_attempt(row, asked_at=at)
    if not row.stripe_id:
        _send(row)


def _send(row: StripeCustomer) -> None:
    owner = Customer.objects.get(pk=row.customer_id)
    try:
        made = there.create(row=row.pk, customer=owner.pk, user_id=owner.user_id, attempt=row.attempt)
    except StripeRefused:
        _next_attempt(row, asked_at=None)
        raise
    keep(row, made["id"])


def _next_attempt(row: StripeCustomer, *, asked_at: datetime | None) -> None:
    same = StripeCustomer.objects.filter(pk=row.pk, attempt=row.attempt, stripe_id=None)
    same.update(attempt=F("attempt") + 1, asked_at=asked_at)
    stops.at("commit.billing.stripe_customers._next_attempt.after")
    row.refresh_from_db()


def _say(row: StripeCustomer, customer: Customer) -> None:
    try:
        there.update(str(row.stripe_id), email=customer.email, name=customer.name, country=customer.country)
    except StripeRefused as refusal:
        if refusal.stripe_code == "resource_missing":
            close(row, at=clock.now())
            return
        # It would say so again: what Stripe does not take stays here.
        log.warning("not taken", stripe_id=row.stripe_id, code=refusal.stripe_code)
    _told(row, customer.changed_at)


@whole
def _told(row: StripeCustomer, changed_at: datetime | None) -> None:
    if lock(row.customer_id).changed_at == changed_at:
        StripeCustomer.objects.filter(pk=row.pk).update(told_at=clock.now())


def _name_first(customer: Customer) -> None:
    rows = customer.stripe_customers.filter(closed_at=None).exclude(stripe_id=None).order_by("pk")
    Customer.objects.filter(pk=customer.pk).update(stripe_id=rows.values_list("stripe_id", flat=True).first())
