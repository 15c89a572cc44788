"""One person: everything that we hold of him, and the end of what names him.

The ledger stays when a person is erased: amounts, dates, Stripe's ids and the product's opaque `user_id`, as tax law
asks. What the product knows that id by is the product's to erase. History is not touched: it holds no personal value.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Model

import entitlements.persons
import events.persons
from billing import customers, mirror
from billing.errors import StillSubscribed
from billing.models import (
    CardSetup,
    Checkout,
    Customer,
    Dispute,
    Invoice,
    InvoiceLine,
    Notice,
    Payment,
    PaymentAttempt,
    PaymentMethod,
    Refund,
    RefundApproval,
    StripeCustomer,
    Subscription,
    SubscriptionChange,
    SubscriptionItem,
    SubscriptionOrder,
    TrialUse,
    WebhookEvent,
    ZoneCheck,
)
from billing.transactions import whole
from events import commitments, history, mail
from vault import rows

# The tables whose rows are a user's, and the way from each to him.
OWNED: dict[type[Model], str] = {
    Customer: "user_id",
    StripeCustomer: "customer__user_id",
    PaymentMethod: "customer__user_id",
    CardSetup: "customer__user_id",
    Checkout: "customer__user_id",
    Payment: "customer__user_id",
    Refund: "payment__customer__user_id",
    PaymentAttempt: "payment__customer__user_id",
    Dispute: "payment__customer__user_id",
    ZoneCheck: "payment__customer__user_id",
    RefundApproval: "payment__customer__user_id",
    Subscription: "customer__user_id",
    Invoice: "customer__user_id",
    InvoiceLine: "invoice__customer__user_id",
    Notice: "customer__user_id",
    SubscriptionOrder: "customer__user_id",
    SubscriptionItem: "subscription__customer__user_id",
    SubscriptionChange: "subscription__customer__user_id",
    TrialUse: "customer__user_id",
}


def export(user_id: str, *, at: datetime) -> dict[str, Any]:
    """Return all that we hold of a user, by table, the sealed values open; and write down that it was given."""
    ids = _stripe_ids(user_id)
    found = {
        **{model._meta.db_table: [rows.told(row) for row in _of(model, user_id)] for model in OWNED},
        WebhookEvent._meta.db_table: [rows.told(event) for event in _told_by_stripe(ids)],
        **mirror.held(ids),
        **entitlements.persons.held(user_id),
        **rows.held("pricing", user_id),
        **events.persons.held(user_id),
    }
    _note("person.exported", user_id, at=at, said={name: len(held) for name, held in found.items()})
    return {"user_id": user_id, "exported_at": at, **found}


def erase(user_id: str, *, reason: str, at: datetime, dry_run: bool = False) -> dict[str, int]:
    """Erase what names a user, and return how many rows of each kind it was. May be repeated.

    Raises StillSubscribed while a subscription runs: who owes must have a name. Stripe's own copy is not touched.
    """
    told = [event.pk for event in _told_by_stripe(_stripe_ids(user_id))]
    return _erase(user_id, told, reason, at, dry_run)


@whole
def _erase(user_id: str, told: list[int], reason: str, at: datetime, dry_run: bool) -> dict[str, int]:
    for customer in Customer.objects.filter(user_id=user_id):
        customers.lock(customer.pk)
    if Subscription.objects.filter(customer__user_id=user_id, status__in=Subscription.LIVE).exists():
        raise StillSubscribed
    checkouts, payments = Checkout.objects.filter(customer__user_id=user_id), _of(Payment, user_id)
    erased = {
        "customers": Customer.objects.filter(user_id=user_id).update(
            email="", email_index="", name="", country="", changed_at=None, erased_at=at
        ),
        "payment_methods": _of(PaymentMethod, user_id).update(
            last4="", exp_month=None, exp_year=None, fingerprint="", fingerprint_index=""
        ),
        "links": checkouts.update(success_url="", cancel_url="", url=""),
        "payments": payments.update(metadata={}, failure_reason=""),
        "webhook_bodies": WebhookEvent.objects.filter(pk__in=told).update(body=""),
        "invoices": _of(Invoice, user_id).update(hosted_invoice_url="", invoice_pdf=""),
        # What staff may have typed; amounts and periods stay.
        "invoice_lines": _of(InvoiceLine, user_id).update(description=""),
        "mails": mail.erase(history.user(user_id), at=at),
        "grants": entitlements.persons.erase(user_id),
        # What history holds of him are commitments: without their salt they say nothing, and the chain still holds.
        "salts": int(commitments.erase(history.user(user_id))),
    }
    _note("person.erased", user_id, at=at, said={"reason": reason, **erased})
    if dry_run:
        transaction.set_rollback(True)
    return erased


def _of(model: type[Model], user_id: str) -> Any:
    return model._base_manager.filter(**{OWNED[model]: user_id}).order_by("pk")


def _stripe_ids(user_id: str) -> set[str]:
    """Return every id by which Stripe may speak of a user."""
    payments = ("stripe_id", "stripe_invoice_id", "stripe_charge_id", "stripe_payment_method_id")
    columns: dict[type[Model], tuple[str, ...]] = {
        Payment: payments,
        SubscriptionOrder: ("stripe_id", "payment_method_id"),
    }
    columns |= dict.fromkeys((Customer, StripeCustomer, PaymentMethod, CardSetup), ("stripe_id",))
    columns |= dict.fromkeys((Checkout, PaymentAttempt, Refund, Dispute, Subscription, Invoice), ("stripe_id",))
    listed = [_of(model, user_id).values_list(*names) for model, names in columns.items()]
    return {stripe_id for found in listed for row in found for stripe_id in row if stripe_id}


def _told_by_stripe(ids: set[str]) -> Iterator[WebhookEvent]:
    """Find the events that speak of one of these ids. Bodies are sealed, so each is opened: slow, and seldom done."""
    if not ids:
        return
    for event in WebhookEvent.objects.exclude(body="").order_by("pk").iterator(chunk_size=200):
        if not ids.isdisjoint(_texts(json.loads(event.body))):
            yield event


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)


@transaction.atomic
def _note(type: str, user_id: str, *, at: datetime, said: dict[str, Any]) -> None:
    subject = history.user(user_id)
    history.record(type, subject=subject, object=subject, at=at, data=said)
