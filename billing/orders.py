"""What a buyer orders: checked against the plan, and saved with its frozen price before Stripe hears of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.db.models import Q

from billing import checkouts, customers, payments, subscriptions, trials
from billing.errors import AlreadySubscribed, BadReturnUrl, NothingToPay, PriceMismatch, QuoteNotGood
from billing.idempotency import BUSY_FOR, Asking
from billing.models import Checkout
from billing.transactions import whole
from events import clock
from pricing import plans, quotes
from pricing.models import PlanVersion, Quote
from pricing.money import Money

# Stripe allows 30 minutes to 24 hours.
OPEN_FOR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Order:
    """What the buyer wants. `base_price` (minor units) is what his product believes that the plan costs in zone A."""

    plan_id: str
    country_code: str
    success_url: str
    cancel_url: str
    quote_id: UUID | None = None
    base_price: int | None = None


def accept(order: Order) -> PlanVersion:
    """Return the version that the order buys. Raises what is wrong with its urls, its plan or its price."""
    for field in ("success_url", "cancel_url"):
        parts = urlsplit(getattr(order, field))
        if f"{parts.scheme}://{parts.netloc}" not in settings.ALLOWED_RETURN_ORIGINS:
            raise BadReturnUrl(field, getattr(order, field))
    version = plans.for_sale(order.plan_id)
    if version.is_free:
        raise NothingToPay(order.plan_id)
    if order.base_price is not None and order.base_price != version.amount_minor:
        raise PriceMismatch(Money(order.base_price, version.currency), version.amount)
    return version


@whole
def save(user_id: str, version: PlanVersion, order: Order, asking: Asking) -> Checkout:
    """Write the checkout, its quote, what is owed, and its line of history. Raises AlreadySubscribed, QuoteNotGood."""
    at = clock.now()
    customer = customers.lock(customers.of_user(user_id, at=at).pk)
    renews = version.billing_cycle != PlanVersion.Cycle.ONE_TIME
    line = version.plan.product_line
    if renews and subscriptions.is_spoken_for(customer, line):
        raise AlreadySubscribed(line)
    checkout = Checkout.objects.create(
        customer=customer,
        quote=quote_for(user_id, version, order.country_code, order.quote_id, at=at),
        mode=Checkout.Mode.SUBSCRIPTION if renews else Checkout.Mode.PAYMENT,
        product_line=line,
        trial_days=version.trial_days if renews and not trials.are_used(customer, line) else 0,
        success_url=order.success_url,
        cancel_url=order.cancel_url,
        status=Checkout.Status.OPEN,
        status_at=at,
        created_at=at,
        expires_at=at + OPEN_FOR,
        busy_until=at + BUSY_FOR,
        **asking.columns,
    )
    plans.mark_sold(version, at=at)
    checkouts.record("checkout.session.created", checkout, at=at)
    if not renews:
        _owe(checkout, at=at)
    return checkout


def _owe(checkout: Checkout, *, at: datetime) -> None:
    payments.create(
        user_id=checkout.customer.user_id,
        at=at,
        customer=checkout.customer,
        checkout=checkout,
        amount_minor=checkout.quote.amount_minor,
        currency=checkout.quote.currency,
        description=checkout.quote.version.plan.name,
    )


def quote_for(user_id: str, version: PlanVersion, country: str, quote_id: UUID | None, *, at: datetime) -> Quote:
    """Return the quote that the buyer was shown, or a new one. Raises QuoteNotGood."""
    if quote_id is None:
        return quotes.quote(version, country, user_id=user_id, at=at)
    quote = Quote.objects.filter(Q(user_id=user_id) | Q(user_id=None), pk=quote_id, version=version).first()
    if quote is None or quote.country_code != country.upper() or not quotes.is_good(quote, at):
        raise QuoteNotGood
    return quote
