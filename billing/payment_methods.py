"""What a customer pays with: Stripe's ids, and of a card what a person may see."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError
from django.db.models import QuerySet

from billing import customers, gateway, idempotency, leases, stripe_customers
from billing.at_stripe import customers as customers_there
from billing.at_stripe import payment_methods as there
from billing.customer_errors import (
    PaymentMethodBusy,
    PaymentMethodGone,
    PaymentMethodInUse,
    PaymentMethodNotUsable,
    SetupNotDone,
)
from billing.errors import StripeRefused
from billing.idempotency import BUSY_FOR, Asking
from billing.models import Customer, PaymentMethod, StripeCustomer, Subscription
from billing.transactions import whole
from events import clock, history

Object = dict[str, Any]
CARD = ("type", "brand", "last4", "exp_month", "exp_year", "card_country")
# Long after it nobody waits for a card any more, and what is not attached stays so.
ASK_FOR = timedelta(hours=23)


def attach(user_id: str, reference: str, *, currency: str = "", asking: Asking) -> tuple[PaymentMethod, bool]:
    """Give a user a payment method by its `pm_` id, or by the `seti_` id of a setup that is done.

    Returns it, and whether it is a replay. `currency`: of the subscription that it is for, when it is not the first.
    Raises PaymentMethodNotUsable (absent, or somebody else's: the same), SetupNotDone, CardDeclined, KeyReused,
    KeyInFlight, StripeRefused, and StripeUnknown: then the janitor finds out.
    """
    if method := idempotency.earlier(PaymentMethod, asking):
        return _resumed(method), True
    found = _found(reference)
    customer = customers.of_user(user_id, at=clock.now())
    if owner := gateway.id_of(found["customer"]):
        if customers.with_stripe_id(owner) != customer:
            raise PaymentMethodNotUsable(reference)
        return _known(found, asking)
    row = StripeCustomer.objects.get(stripe_id=customers.at_stripe(customer, currency))
    try:
        method = _ask(customer, row, found, asking)
    except IntegrityError:
        return _lost(customer, found, reference, asking)
    return _send(method, held=True), False


def settle(found: Object, *, looked_at: datetime) -> bool:
    """Bring our row to what Stripe's payment method says. False when it is none of ours.

    Runs inside the caller's transaction; may be repeated, and a look older than the last changes nothing.
    """
    method = PaymentMethod.objects.filter(stripe_id=found["id"]).first()
    owner = stripe_customers.row_of(gateway.id_of(found["customer"]))
    if method is None and owner is None:
        return False
    customer = customers.lock((method or owner).customer_id)  # type: ignore[union-attr]
    method = PaymentMethod.objects.select_for_update(of=("self",)).filter(stripe_id=found["id"]).first()
    if method is None:
        method = PaymentMethod(customer=customer, stripe_customer=owner, stripe_id=found["id"], principal="stripe")
        method.save(force_insert=True)
    if method.looked_at and method.looked_at > looked_at:
        return True
    if customer.erased_at is None:
        _copy(method, found)
    _follow(method, owner, customer, at=looked_at)
    return True


def remove(method: PaymentMethod) -> PaymentMethod:
    """Take a payment method away, for good. May be repeated.

    Raises PaymentMethodInUse while a live subscription is paid by it, PaymentMethodBusy, StripeUnknown, StripeRefused.
    """
    with _alone(method.stripe_customer):
        if method.detached_at or method.attached_at is None:
            return method
        for paying in _live(method):
            if paid_by(paying, paying["customer"]) == method.stripe_id:
                raise PaymentMethodInUse
        at = clock.now()
        try:
            found = there.detach(method.stripe_id)
        except StripeRefused:
            found = gateway.fetch(method.stripe_id) or {}
            if not found or found["customer"]:
                raise
        whole(settle)(found, looked_at=at)
    method.refresh_from_db()
    return method


def make_default(method: PaymentMethod) -> PaymentMethod:
    """Let all that recurs be paid by it, subscriptions that run too. May be repeated.

    Raises PaymentMethodGone, PaymentMethodBusy, StripeUnknown, StripeRefused.
    """
    with _alone(method.stripe_customer):
        method.refresh_from_db()
        if method.detached_at or method.attached_at is None:
            raise PaymentMethodGone
        for paying in _live(method):
            # One that was bought on Stripe's page has its own, which goes before the customer's.
            if paying["default_payment_method"] not in (None, method.stripe_id):
                there.use_for(paying["id"], method.stripe_id)
        at = clock.now()
        found = customers_there.set_default(str(method.stripe_customer.stripe_id), method.stripe_id)
        whole(customers.settle)(found, looked_at=at)
    method.refresh_from_db()
    return method


def is_known(stripe_id: str) -> bool:
    """Say whether a payment method is here already, and attached."""
    return PaymentMethod.objects.filter(stripe_id=stripe_id, attached_at__isnull=False).exists()


def paid_by(subscription: Object, owner: Object) -> str | None:
    """Return what pays a subscription's next invoice: its own method, else its customer's.

    In Stripe's order, with the sources of old accounts: https://docs.stripe.com/api/subscriptions/object.
    """
    theirs = (owner.get("invoice_settings") or {}).get("default_payment_method")
    own = subscription["default_payment_method"] or subscription.get("default_source")
    return gateway.id_of(own or theirs or owner.get("default_source"))


def of_customer(customer: Customer) -> QuerySet[PaymentMethod]:
    """List what a customer can pay with now."""
    return PaymentMethod.objects.filter(customer=customer, detached_at=None).exclude(attached_at=None)


def unknown(*, at: datetime) -> list[PaymentMethod]:
    """Return those of which nobody knows whether Stripe attached them, the oldest 100."""
    rows = PaymentMethod.objects.filter(attached_at=None, created_at__lt=at - timedelta(minutes=1))
    return list(rows.order_by("pk")[:100])


def settle_unknown(method: PaymentMethod, *, at: datetime) -> None:
    """Find out: look, and ask again for what is not attached, as long as somebody may wait for it."""
    found = gateway.fetch(method.stripe_id)
    if found is None or (not found["customer"] and at - method.created_at > ASK_FOR):
        method.delete()
    elif found["customer"]:
        whole(settle)(found, looked_at=at)
    else:
        _send(method)


def _found(reference: str) -> Object:
    found = gateway.fetch(reference)
    if found and found["object"] == "setup_intent":
        if found["status"] != "succeeded":
            raise SetupNotDone(found["status"])
        found = found["payment_method"] if found["customer"] else None
    if found is None:
        raise PaymentMethodNotUsable(reference)
    return found


@whole
def _ask(customer: Customer, row: StripeCustomer, found: Object, asking: Asking) -> PaymentMethod:
    at = clock.now()
    customers.lock(customer.pk)
    return PaymentMethod.objects.create(
        customer=customer,
        stripe_customer=row,
        stripe_id=found["id"],
        type=found["type"],
        created_at=at,
        busy_until=at + BUSY_FOR,
        **asking.columns,
    )


def _known(found: Object, asking: Asking) -> tuple[PaymentMethod, bool]:
    """Return what this customer has already, with the key under which it was asked for again."""
    whole(settle)(found, looked_at=clock.now())
    method = PaymentMethod.objects.get(stripe_id=found["id"])
    unasked = PaymentMethod.objects.filter(pk=method.pk, idempotency_key=None)
    if asking.key:
        unasked.update(**asking.columns)
        method.refresh_from_db()
    return method, False


def _lost(customer: Customer, found: Object, reference: str, asking: Asking) -> tuple[PaymentMethod, bool]:
    """Answer whoever lost a race: to his own key, to another request of his, or to another customer."""
    if method := idempotency.earlier(PaymentMethod, asking):
        return _resumed(method), True
    mine = PaymentMethod.objects.filter(stripe_id=found["id"], customer=customer).first()
    if mine is None:
        raise PaymentMethodNotUsable(reference)
    return _resumed(mine), False


def _resumed(method: PaymentMethod) -> PaymentMethod:
    return method if method.attached_at else _send(method)


def _send(method: PaymentMethod, *, held: bool = False) -> PaymentMethod:
    if not held:
        idempotency.take(method, at=clock.now())
    try:
        at = clock.now()
        found = there.attach(method.stripe_id, str(method.stripe_customer.stripe_id))
        whole(settle)(found, looked_at=at)
    except StripeRefused:
        # It never was his. Whoever tries the same card again asks anew.
        PaymentMethod.objects.filter(pk=method.pk, attached_at=None).delete()
        raise
    finally:
        idempotency.release(method)
    method.refresh_from_db()
    return method


def _copy(method: PaymentMethod, found: Object) -> None:
    card = found.get("card") or {}
    method.type = found["type"]
    method.brand, method.last4 = card.get("brand") or "", card.get("last4") or ""
    method.exp_month, method.exp_year = card.get("exp_month"), card.get("exp_year")
    method.card_country = card.get("country") or ""
    method.fingerprint = card.get("fingerprint") or ""
    method.save(update_fields=[*CARD, "fingerprint", "fingerprint_index"])


def _follow(method: PaymentMethod, owner: StripeCustomer | None, customer: Customer, *, at: datetime) -> None:
    method.looked_at = at
    was_attached = method.attached_at is not None and method.detached_at is None
    if owner:
        method.attached_at, method.detached_at = method.attached_at or at, None
    elif was_attached:
        method.is_default, method.detached_at = False, at
    method.save(update_fields=["looked_at", "attached_at", "detached_at", "is_default"])
    if was_attached != (owner is not None):
        word = "attached" if owner else "detached"
        history.record(
            f"payment_method.{word}",
            subject=history.user(customer.user_id),
            object=f"payment_method:{method.pk}",
            at=at,
            data={"stripe_id": method.stripe_id, "type": method.type, "card_country": method.card_country},
        )


def _live(method: PaymentMethod) -> Iterator[Object]:
    """Fetch the live subscriptions of the Stripe customer that has this method."""
    rows = Subscription.objects.filter(customer=method.customer, status__in=Subscription.LIVE)
    for stripe_id in rows.values_list("stripe_id", flat=True):
        found = gateway.fetch(stripe_id)
        if found and gateway.id_of(found["customer"]) == method.stripe_customer.stripe_id:
            yield found


@contextmanager
def _alone(row: StripeCustomer) -> Iterator[None]:
    """Change what pays for a customer one at a time: one must not take away what another just made the default."""
    held = leases.take(f"methods:{row.stripe_id}")
    if held is None:
        raise PaymentMethodBusy
    try:
        yield
    finally:
        leases.release(held)
