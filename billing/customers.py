"""Who pays."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import IntegrityError
from django.db.models import QuerySet

from billing import gateway, idempotency, stripe_customers
from billing.customer_errors import CustomerErased, CustomerExists
from billing.errors import StripeUnknown
from billing.idempotency import Asking
from billing.models import Customer, PaymentMethod, StripeCustomer
from billing.stripe_customers import at_stripe as at_stripe
from billing.stripe_customers import lock as lock
from billing.stripe_customers import with_stripe_id as with_stripe_id
from billing.transactions import whole
from events import clock, history
from vault.fields import BlindIndexField

Object = dict[str, Any]
# What a customer says of himself, and the column that a change of it rewrites beside its own.
SAID = {"email": ["email", "email_index"], "name": ["name"], "country": ["country"]}


@whole
def of_user(user_id: str, *, at: datetime) -> Customer:
    """Return the customer of a user of the product, made on first need. May race: one row is made."""
    customer, made = Customer.objects.get_or_create(user_id=user_id)
    if made:
        _record("customer.created", customer, at=at)
    return customer


def create(user_id: str, said: Mapping[str, str], *, asking: Asking) -> tuple[Customer, bool]:
    """Make the customer of a user before his first purchase. Returns him, and whether it is a replay.

    Nothing is asked of Stripe: he is made there on first need. Raises CustomerExists, KeyReused.
    """
    if customer := idempotency.earlier(Customer, asking):
        return customer, True
    try:
        return _create(user_id, said, asking), False
    except IntegrityError:
        if customer := idempotency.earlier(Customer, asking):
            return customer, True
        raise CustomerExists(user_id, Customer.objects.only("pk").get(user_id=user_id).pk) from None


def update(customer: Customer, said: Mapping[str, str]) -> Customer:
    """Change what is said of a customer, here and at Stripe. May be repeated. Raises CustomerErased.

    What Stripe has not heard, the janitor tells it: until then what Stripe says of these values does not count.
    """
    customer = _update(customer, said, at=clock.now())
    for row in customer.stripe_customers.filter(closed_at=None).exclude(stripe_id=None):
        try:
            stripe_customers.tell(row)
        except StripeUnknown:
            continue
    return customer


def settle(found: Object, *, looked_at: datetime) -> bool:
    """Bring our row to what Stripe's customer says: gone, its currency, its default. False when it is none of ours.

    Runs inside the caller's transaction; may be repeated, and a look older than the last changes nothing.
    """
    row = _row(found)
    if row is None:
        return False
    lock(row.customer_id)
    row = StripeCustomer.objects.get(pk=row.pk)
    if row.looked_at and row.looked_at > looked_at:
        return True
    StripeCustomer.objects.filter(pk=row.pk).update(looked_at=looked_at)
    if not row.stripe_id:
        stripe_customers.keep(row, found["id"])
    if found.get("deleted"):
        stripe_customers.close(row, at=looked_at)
        return True
    if found["currency"] and found["currency"] != row.currency:
        _locked(row, found["currency"], at=looked_at)
    _follow_default(row, gateway.id_of(found["invoice_settings"]["default_payment_method"]), at=looked_at)
    return True


def learn(found: list[Object], *, looked_at: datetime) -> None:
    """Keep, sealed, the e-mail address and name by which Stripe knows whoever bought. May be repeated.

    What Stripe's customer says wins over what was typed on the page. What was said here wins until Stripe has heard it,
    and over a look that began before. An erased customer stays erased: what Stripe still holds of him is for the
    operator to have deleted there.
    """
    said: list[tuple[Object, Object]] = []
    for one in found:
        told, typed = (one, {}) if one["object"] == "customer" else (one.get("customer"), one.get("customer_details"))
        # All that one look fetched was fetched at once: the same said twice is said once.
        if isinstance(told, dict) and not told.get("deleted") and (told, typed or {}) not in said:
            said.append((told, typed or {}))
    for told, typed in said:
        _learn(told, typed, looked_at)


def with_email(email: str) -> QuerySet[Customer]:
    """Find whoever bought with this e-mail address; only the whole address finds."""
    index = Customer._meta.get_field("email_index")
    assert isinstance(index, BlindIndexField)  # noqa: S101 (narrows the type)
    return Customer.objects.filter(email_index__in=index.possible(email))


@whole
def _create(user_id: str, said: Mapping[str, str], asking: Asking) -> Customer:
    at = clock.now()
    customer = Customer.objects.create(
        user_id=user_id, **said, created_at=at, updated_at=at, changed_at=at if said else None, **asking.columns
    )
    _record("customer.created", customer, at=at)
    return customer


@whole
def _update(customer: Customer, said: Mapping[str, str], *, at: datetime) -> Customer:
    customer = lock(customer.pk)
    if customer.erased_at:
        raise CustomerErased(customer.user_id)
    if _say(customer, said, at=at):
        Customer.objects.filter(pk=customer.pk).update(changed_at=at)
        customer.refresh_from_db(fields=["changed_at"])
    return customer


def _say(customer: Customer, said: Mapping[str, str], *, at: datetime) -> bool:
    """Write what is new of what is said, with its line of history. Says whether anything was."""
    new = [name for name in SAID if name in said and said[name] != getattr(customer, name)]
    for name in new:
        setattr(customer, name, said[name])
    if new:
        customer.updated_at = at
        columns = [column for name in new for column in SAID[name]]
        customer.save(update_fields=[*columns, "updated_at"])
        _record("customer.updated", customer, at=at, changed=new)
    return bool(new)


def _learn(told: Object, typed: Object, looked_at: datetime) -> None:
    row = stripe_customers.row_of(told["id"])
    if row is None or (row.told_at and row.told_at >= looked_at):
        return
    customer = lock(row.customer_id)
    if customer.erased_at or stripe_customers.is_behind(row, customer):
        return
    words = {name: told.get(name) or typed.get(name) or "" for name in ("email", "name")}
    _say(customer, {name: text for name, text in words.items() if text}, at=looked_at)


def _row(found: Object) -> StripeCustomer | None:
    if row := stripe_customers.row_of(found["id"]):
        return row
    # Made for us, while its answer was lost or is still on its way.
    ours = gateway.our_id(found, "row_id")
    return StripeCustomer.objects.filter(pk=ours, stripe_id=None).first() if ours else None


def _locked(row: StripeCustomer, currency: str, *, at: datetime) -> None:
    """Note the currency to which Stripe keeps it. Where another has it already, this one is of no more use."""
    others = StripeCustomer.objects.filter(customer_id=row.customer_id, currency=currency, closed_at=None)
    if others.exclude(pk=row.pk).exists():
        stripe_customers.close(row, at=at)
    else:
        StripeCustomer.objects.filter(pk=row.pk).update(currency=currency)


def _follow_default(row: StripeCustomer, method: str | None, *, at: datetime) -> None:
    methods = PaymentMethod.objects.filter(stripe_customer=row)
    methods.filter(is_default=True).exclude(stripe_id=method or "").update(is_default=False)
    new = methods.filter(stripe_id=method or "", is_default=False, detached_at=None).exclude(attached_at=None)
    if new.update(is_default=True):
        history.record(
            "payment_method.made_default",
            subject=history.user(row.customer.user_id),
            object=f"payment_method:{methods.get(is_default=True).pk}",
            at=at,
            data={"stripe_id": method},
        )


def _record(type: str, customer: Customer, *, at: datetime, changed: list[str] | None = None) -> None:
    # Under keys that history knows as a person's: it keeps commitments to them, never the values.
    said = {"email": customer.email, "customer_name": customer.name, "country": customer.country}
    history.record(
        type,
        subject=history.user(customer.user_id),
        object=f"customer:{customer.id}",
        at=at,
        data={
            "user_id": customer.user_id,
            **({"changed": changed} if changed else {}),
            **{name: value for name, value in said.items() if value},
        },
    )
