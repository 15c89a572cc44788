"""Who pays."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from billing import gateway
from billing.models import Customer
from billing.transactions import whole
from events import history
from vault.fields import BlindIndexField


@whole
def of_user(user_id: str, *, at: datetime) -> Customer:
    """Return the customer of a user of the product, made on first need. May race: one row is made."""
    customer, made = Customer.objects.get_or_create(user_id=user_id)
    if made:
        history.record(
            "customer.created",
            subject=history.user(user_id),
            object=f"customer:{customer.id}",
            at=at,
            data={"user_id": user_id},
        )
    return customer


def at_stripe(customer: Customer) -> str:
    """Return the id of Stripe's customer, made on first need.

    Racing callers send the same idempotency key, so Stripe makes one customer and tells all of them the same id.
    Raises StripeUnknown, StripeRefused.
    """
    if not customer.stripe_id:
        made = gateway.create_customer(id=customer.id, user_id=customer.user_id)
        Customer.objects.filter(pk=customer.pk, stripe_id=None).update(stripe_id=made["id"])
        customer.refresh_from_db(fields=["stripe_id"])
    return str(customer.stripe_id)


def learn(found: list[dict[str, Any]]) -> None:
    """Keep, sealed, the e-mail address and name by which Stripe knows whoever bought. May be repeated.

    What Stripe's customer says wins over what was typed on the page. An erased customer stays erased: what Stripe
    still holds of him is for the operator to have deleted there.
    """
    for one in found:
        told, typed = one.get("customer"), one.get("customer_details") or {}
        if not isinstance(told, dict):
            continue
        customer = Customer.objects.filter(stripe_id=told["id"], erased_at=None).first()
        if customer is None:
            continue
        before = customer.email, customer.name
        customer.email = told.get("email") or typed.get("email") or customer.email
        customer.name = told.get("name") or typed.get("name") or customer.name
        if (customer.email, customer.name) != before:
            customer.save(update_fields=["email", "email_index", "name"])


def with_email(email: str) -> QuerySet[Customer]:
    """Find whoever bought with this e-mail address; only the whole address finds."""
    index = Customer._meta.get_field("email_index")
    assert isinstance(index, BlindIndexField)  # noqa: S101 (narrows the type)
    return Customer.objects.filter(email_index__in=index.possible(email))


def lock(customer_id: UUID) -> Customer:
    """Take the customer's row: the first lock of every change to what he bought."""
    return Customer.objects.select_for_update().get(pk=customer_id)
