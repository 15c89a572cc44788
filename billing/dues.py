"""What is to be paid, and who may say so: the product's backend names an amount, a user only a quote of ours."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Q

from billing.errors import AmountMissing, AmountTooSmall, PriceMismatch, QuoteNeeded, QuoteNotGood
from pricing import currencies, quotes
from pricing.models import PlanVersion, Quote
from pricing.money import Money, require_chargeable


@dataclass(frozen=True, slots=True)
class Due:
    amount: Money
    quote: Quote | None = None


def of(
    user_id: str, amount_minor: int | None, currency: str | None, *, quote_id: UUID | None, may_name_amount: bool
) -> Due:
    """Work out what a user owes: the quote's amount, or, from who may name one, the amount in minor units.

    Raises QuoteNeeded, QuoteNotGood, AmountMissing, PriceMismatch (what was sent differs from the quote),
    AmountTooSmall, and pricing's UnknownCurrency and UnchargeableAmount.
    """
    if quote_id is not None:
        return Due(*_quoted(user_id, quote_id, amount_minor, currency))
    if not may_name_amount:
        raise QuoteNeeded
    if amount_minor is None or currency is None:
        raise AmountMissing("amount" if amount_minor is None else "currency")
    amount = require_chargeable(Money(amount_minor, currency))
    smallest = Money(currencies.find(currency).smallest_minor, currency)
    if amount.minor < smallest.minor:
        raise AmountTooSmall(amount, smallest)
    return Due(amount)


def require_good(due: Due, *, at: datetime) -> None:
    """Raise QuoteNotGood for a quote that has expired by now."""
    if due.quote and not quotes.is_good(due.quote, at):
        raise QuoteNotGood


def _quoted(user_id: str, quote_id: UUID, amount_minor: int | None, currency: str | None) -> tuple[Money, Quote]:
    rows = Quote.objects.select_related("version__plan").filter(Q(user_id=user_id) | Q(user_id=None), pk=quote_id)
    quote = rows.first()
    # What renews is bought by a subscription: one payment would buy it once, for ever.
    if quote is None or quote.version.billing_cycle != PlanVersion.Cycle.ONE_TIME or not quote.amount_minor:
        raise QuoteNotGood
    named = Money(
        quote.amount_minor if amount_minor is None else amount_minor, quote.currency if currency is None else currency
    )
    if named != quote.amount:
        raise PriceMismatch(named, quote.amount, field="amount")
    return quote.amount, quote
