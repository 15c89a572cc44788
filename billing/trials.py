"""A trial is taken once: by a customer, and with a card, in each product line."""

from __future__ import annotations

import hashlib
from typing import Any

from django.db import IntegrityError, transaction

from billing import findings
from billing.models import Customer, Finding, Subscription, SubscriptionOrder, TrialUse

Object = dict[str, Any]


def are_used(customer: Customer, product_line: str, *, card: str = "") -> bool:
    """Say whether the customer, or somebody with the card of this fingerprint, has had his trial."""
    taken = TrialUse.objects.filter(product_line=product_line)
    return taken.filter(customer=customer).exists() or bool(card and taken.filter(card_fingerprint=card).exists())


def claim(order: SubscriptionOrder, *, card: str) -> bool:
    """Take the trial for an order, inside the caller's transaction; say whether it was free.

    Two customers may come with one card at the same time: the constraint lets one of them through.
    """
    use = TrialUse(customer=order.customer, product_line=order.product_line, card_fingerprint=card, order=order)
    TrialUse.objects.bulk_create([use], ignore_conflicts=True)
    return TrialUse.objects.filter(pk=use.pk).exists()


def give_back(order: SubscriptionOrder) -> None:
    """Let the trial of an order that came to nothing be taken again."""
    TrialUse.objects.filter(order=order).delete()


def note(subscription: Subscription, found: Object) -> None:
    """Write down the trial that a subscription is in, and its card. May be repeated.

    Not a trial of Stripe's that only bridges what is paid for. A card that had its trial under another customer is a
    finding: nobody is charged at once because of it.
    """
    if subscription.status != Subscription.Status.TRIALING:
        return
    use, _ = TrialUse.objects.get_or_create(customer=subscription.customer, product_line=subscription.product_line)
    card = fingerprint(found["default_payment_method"])
    if not card or use.card_fingerprint:
        return
    try:
        with transaction.atomic():
            TrialUse.objects.filter(pk=use.pk).update(card_fingerprint=card)
    except IntegrityError:
        user_id = subscription.customer.user_id
        findings.open(Finding.Kind.SECOND_TRIAL, f"subscription:{subscription.pk}", user=user_id)


def fingerprint(method: Object | str | None) -> str:
    """Return what stands for a card wherever it is used, a hash; "" for what is no card, or was not fetched."""
    card = (method.get("card") or {}) if isinstance(method, dict) else {}
    told = str(card.get("fingerprint") or "")
    return told and hashlib.sha256(told.encode()).hexdigest()
