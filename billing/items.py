"""What a subscription bills: the plan, and what stands beside it, each at its locked price."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import Case, Value, When

from billing import findings
from billing.models import Finding, StripePrice, Subscription, SubscriptionItem
from billing.policy import Access
from entitlements import grants
from entitlements.grants import Source
from entitlements.models import SourceType
from pricing.models import PlanVersion, Quote

Object = dict[str, Any]


def billed(found: Object) -> dict[str, int]:
    """Map the prices of Stripe's subscription to their quantities; a price stands there once."""
    return {item["price"]["id"]: item["quantity"] for item in found["items"]["data"]}


def adopt(subscription: Subscription, found: Object, *, at: datetime) -> bool:
    """Bring the rows to what Stripe bills, and say whether the plan or its quantity changed.

    The plan stays on its item when its price changes. A price that we did not make is a finding, and changes nothing.
    """
    rows = {row.stripe_id: row for row in subscription.items.select_related("quote")}
    items = {item["id"]: item for item in found["items"]["data"]}
    for row in rows.values():
        if row.stripe_id not in items and row.removed_at is None:
            SubscriptionItem.objects.filter(pk=row.pk).update(removed_at=at, main=False)
            row.removed_at, row.main = at, False
            grants.cancel(source_of(row), at=at)
    main = next((id for id, row in rows.items() if row.main), None) or next(iter(items))
    changed = False
    for id, item in items.items():
        quote = _quote(subscription, item["price"]["id"])
        if quote is None:
            findings.open(Finding.Kind.UNKNOWN_PRICE, f"subscription:{subscription.pk}", price=item["price"]["id"])
            continue
        _keep(subscription, rows.get(id), item, quote, main=id == main)
        if id == main:
            changed = _become(subscription, quote, item["quantity"])
    return changed


def entitle(subscription: Subscription, access: Access, *, at: datetime) -> None:
    """Give what stands beside the plan the same span as the plan. May be repeated."""
    for row in subscription.items.filter(main=False, removed_at=None).select_related("version"):
        give(subscription, row.version, source_of(row), access, at=at)


def give(subscription: Subscription, version: PlanVersion, source: Source, access: Access, *, at: datetime) -> None:
    """Make what one source gives follow what the policy says of its subscription. May be repeated."""
    if access.over:
        grants.cancel(source, at=access.ends_at or at)
    elif access.revoked:
        grants.revoke(source, reason=access.revoked, at=at)
    elif access.given:
        grants.grant(
            subscription.customer.user_id,
            version,
            source=source,
            starts_at=subscription.started_at,
            ends_at=access.ends_at,
            grace_until=access.grace_until,
            subscription_id=subscription.stripe_id,
            keep_suspended=access.hold is not None,
            at=at,
        )
        if access.hold:
            grants.suspend(source, reason=access.hold, at=at)


def source_of(item: SubscriptionItem) -> Source:
    """Name the grants of what stands beside a plan; the plan's own are the subscription's."""
    return Source(SourceType.SUBSCRIPTION, str(item.pk))


def _quote(subscription: Subscription, price: str) -> Quote | None:
    """Find the quote behind a price of Stripe's: the buyer's own, newest first, else the newest of that amount."""
    made = StripePrice.objects.filter(stripe_id=price).first()
    if made is None:
        return None
    own = subscription.quote
    terms = (made.version_id, made.amount_minor, made.currency)
    if (own.version_id, own.amount_minor, own.currency) == terms:
        return own
    quotes = Quote.objects.filter(version=made.version_id, amount_minor=made.amount_minor, currency=made.currency)
    his = Case(When(user_id=subscription.customer.user_id, then=Value(0)), default=Value(1))
    return quotes.select_related("version").order_by(his, "-id").first()


def _keep(subscription: Subscription, row: SubscriptionItem | None, item: Object, quote: Quote, *, main: bool) -> None:
    if row is None:
        SubscriptionItem.objects.create(
            subscription=subscription,
            stripe_id=item["id"],
            quote=quote,
            version=quote.version,
            quantity=item["quantity"],
            main=main,
        )
    elif (row.quote_id, row.quantity, row.main, row.removed_at) != (quote.pk, item["quantity"], main, None):
        row.quote, row.version, row.quantity, row.main, row.removed_at = (
            quote,
            quote.version,
            item["quantity"],
            main,
            None,
        )
        row.save(update_fields=["quote", "version", "quantity", "main", "removed_at"])


def _become(subscription: Subscription, quote: Quote, quantity: int) -> bool:
    if (subscription.quote_id, subscription.quantity) == (quote.pk, quantity):
        return False
    subscription.quote, subscription.version, subscription.quantity = quote, quote.version, quantity
    subscription.save(update_fields=["quote", "version", "quantity"])
    return True
