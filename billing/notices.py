"""What customers are told: one line of history for each occasion, and an e-mail where a mail server is set.

What hangs on an invoice is told when it is looked at; the rest is found in our own rows by a periodic job, so that
nothing is lost when an event is.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import groupby

import structlog
from django.conf import settings
from django.db.models import F, Q, QuerySet

from billing import changes, customers, targets
from billing.models import (
    Customer,
    Invoice,
    Notice,
    PaymentMethod,
    Refund,
    StripePrice,
    Subscription,
    SubscriptionChange,
    ZoneCheck,
)
from billing.transactions import whole
from events import history, mail
from pricing.money import Money
from vault import faults

log = structlog.get_logger("farebox.notices")
Kind = Notice.Kind
# What happened longer ago is no news: after a long stop nobody is flooded.
NEWS_FOR = timedelta(days=3)
TOGETHER = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Card:
    """A card that a customer pays with; `id` is our payment method's."""

    id: str
    customer: Customer
    exp_month: int
    exp_year: int
    last4: str


@dataclass(frozen=True, slots=True)
class Occasion:
    """Something to tell a customer of: about which object, which time of several, and in which words."""

    kind: Notice.Kind
    customer: Customer
    object: str
    time: str = ""
    said: dict[str, str | None] = field(default_factory=dict)
    link: str = ""


def cards() -> Iterator[Card]:
    """Give every card that customers have with us now."""
    rows = PaymentMethod.objects.exclude(attached_at=None).filter(detached_at=None, exp_year__isnull=False)
    for row in rows.select_related("customer").iterator():
        yield Card(str(row.pk), row.customer, int(row.exp_month or 12), int(row.exp_year or 0), row.last4)


def tell_due(*, at: datetime, cards: Iterable[Card] = ()) -> int:
    """Tell all that is due now. Returns how many were told. May be repeated and race: each occasion is told once."""
    told = 0
    for found in (_trials(at), _renewals(at), _cancellations(at), _refunds(at), _proposals(at), expiring(cards, at=at)):
        for occasion in _untold(list(found)):
            try:
                told += _tell_alone(occasion, at=at)
            except Exception as reason:
                # The others must not wait for this one; it is due again next time.
                log.warning("notice put off", object=occasion.object, reason=faults.named(reason))
    return told


def tell(occasion: Occasion, *, at: datetime) -> bool:
    """Tell a customer inside the caller's transaction, once for each occasion; say whether this call did it."""
    customer = occasion.customer
    _, made = Notice.objects.get_or_create(
        kind=occasion.kind, object=occasion.object, occasion=occasion.time, defaults={"customer": customer}
    )
    if made:
        subject = history.user(customer.user_id)
        history.record(f"notice.{occasion.kind}", subject=subject, object=occasion.object, at=at, data=occasion.said)
        said = {**occasion.said, "link": occasion.link}
        mail.queue(str(occasion.kind), to=customer.email, subject=subject, said=said, at=at)
    return made


def of_invoice(invoice: Invoice, *, at: datetime) -> None:
    """Tell of a payment that failed, and of one that came after all, inside the transaction of the look.

    Not of the first invoice of a subscription: its buyer sits before the page on which it failed.
    """
    object = f"invoice:{invoice.pk}"
    owed = Money(invoice.amount_remaining_minor, invoice.currency)
    plan = invoice.subscription.version.plan.name if invoice.subscription else None
    # Learned together with its subscription: of an account that ran before us.
    adopted = invoice.subscription and invoice.created_at - invoice.subscription.created_at < TOGETHER
    failed = invoice.attempt_count and invoice.billing_reason != "subscription_create" and not adopted
    if invoice.status == Invoice.Status.OPEN and failed:
        said = {"plan": plan, "amount": str(owed), "next_try_on": _day(invoice.next_payment_attempt_at)}
        time, link = f"attempt {invoice.attempt_count}", invoice.hosted_invoice_url
        tell(Occasion(Kind.PAYMENT_FAILED, invoice.customer, object, time, said, link), at=at)
    elif invoice.status == Invoice.Status.PAID and failed and _was_told(Kind.PAYMENT_FAILED, object):
        paid = Money(invoice.amount_paid_minor, invoice.currency)
        said = {"plan": plan, "amount": str(paid)}
        tell(Occasion(Kind.PAYMENT_RECOVERED, invoice.customer, object, said=said), at=at)


def expiring(cards: Iterable[Card], *, at: datetime) -> Iterator[Occasion]:
    """Find the cards that cannot be charged soon: a card is good to the last day of its month."""
    for card in cards:
        last = calendar.monthrange(card.exp_year, card.exp_month)[1]
        over = datetime(card.exp_year, card.exp_month, last, tzinfo=UTC) + timedelta(days=1)
        if at < over <= at + timedelta(days=settings.CARD_NOTICE_DAYS):
            month = f"{card.exp_year}-{card.exp_month:02}"
            said: dict[str, str | None] = {"last4": card.last4, "month": f"{card.exp_month:02}/{card.exp_year}"}
            yield Occasion(Kind.CARD_EXPIRING, card.customer, f"payment_method:{card.id}", month, said)


def _trials(at: datetime) -> Iterator[Occasion]:
    soon = at + timedelta(days=settings.TRIAL_NOTICE_DAYS)
    rows = _running(Subscription.Status.TRIALING).filter(trial_end__gt=at, trial_end__lte=soon)
    for row in rows:
        assert row.trial_end  # noqa: S101 (narrows the type)
        yield _of_subscription(Kind.TRIAL_ENDING, row, row.trial_end)


def _renewals(at: datetime) -> Iterator[Occasion]:
    for cycle, days in settings.RENEWAL_NOTICE_DAYS.items():
        rows = _running(Subscription.Status.ACTIVE).filter(version__billing_cycle=cycle)
        for row in rows.filter(current_period_end__gt=at, current_period_end__lte=at + timedelta(days=days)):
            yield _of_subscription(Kind.RENEWAL_COMING, row, row.current_period_end)


def _cancellations(at: datetime) -> Iterator[Occasion]:
    ending = Q(cancel_at__isnull=False) | Q(status=Subscription.Status.CANCELED)
    for row in _subscriptions().filter(ending, canceled_at__gt=at - NEWS_FOR):
        ends_at = row.ended_at or row.cancel_at
        said = {"plan": row.version.plan.name, "ends_on": _day(ends_at)}
        time = row.canceled_at.isoformat() if row.canceled_at else ""
        yield Occasion(Kind.SUBSCRIPTION_CANCELED, row.customer, f"subscription:{row.pk}", time, said)


def _refunds(at: datetime) -> Iterator[Occasion]:
    rows = Refund.objects.filter(status=Refund.Status.SUCCEEDED, status_at__gt=at - NEWS_FOR)
    # Learned by one look with its payment: of an account that ran before us, and told by whoever ran it.
    rows = rows.exclude(status_at=F("payment__status_at"))
    for row in rows.select_related("payment__customer").order_by("pk"):
        said: dict[str, str | None] = {"amount": str(row.amount), "description": row.payment.description}
        yield Occasion(Kind.REFUNDED, row.payment.customer, f"refund:{row.pk}", said=said)


def _proposals(at: datetime) -> Iterator[Occasion]:
    """Find the buyers who are asked for another price, and may still answer."""
    rows = ZoneCheck.objects.filter(status=ZoneCheck.Status.PROPOSED, answer_until__gt=at).exclude(proposed=None)
    rows = rows.filter(subscription__status__in=Subscription.LIVE, subscription__cancel_at=None)
    for row in rows.select_related(
        "subscription__customer", "subscription__version__plan", "subscription__quote", "proposed"
    ):
        subscription, quote = row.subscription, row.proposed
        assert subscription  # noqa: S101 (narrows the type)
        assert quote  # noqa: S101
        now, then = (
            Money(one.amount_minor * subscription.quantity, one.currency) for one in (subscription.quote, quote)
        )
        said: dict[str, str | None] = {
            "plan": subscription.version.plan.name,
            "amount": str(then),
            "instead_of": str(now),
            "answer_by": _day(row.answer_until),
            "without_answer": settings.ZONE_WITHOUT_CONSENT,
        }
        yield Occasion(Kind.PRICE_PROPOSED, subscription.customer, f"zone-check:{row.pk}", said=said)


def _subscriptions() -> QuerySet[Subscription]:
    return Subscription.objects.select_related("customer", "version__plan", "quote")


def _running(status: Subscription.Status) -> QuerySet[Subscription]:
    return _subscriptions().filter(status=status, cancel_at=None)


def _of_subscription(kind: Notice.Kind, row: Subscription, on: datetime) -> Occasion:
    plan, amount = _next_bill(row)
    said = {"plan": plan, "amount": str(amount), "on": _day(on)}
    return Occasion(kind, row.customer, f"subscription:{row.pk}", on.isoformat(), said)


def _next_bill(row: Subscription) -> tuple[str, Money]:
    """Name the plan that is billed next and what all of it costs then: a change that waits for that day counts."""
    waiting = changes.open_of(row)
    if waiting and waiting.status == SubscriptionChange.Status.SCHEDULED:
        made = StripePrice.objects.filter(stripe_id__in=waiting.wanted)
        total = sum(price.amount_minor * waiting.wanted[price.stripe_id] for price in made)
        return waiting.quote.version.plan.name, Money(total, waiting.currency)
    lines = [(line.quote.amount_minor, line.quantity) for line in targets.lines_now(row)]
    # Begun before items were kept.
    lines = lines or [(row.quote.amount_minor, row.quantity)]
    return row.version.plan.name, Money(sum(price * quantity for price, quantity in lines), row.quote.currency)


def _untold(found: list[Occasion]) -> Iterator[Occasion]:
    for kind, some in groupby(found, key=lambda one: one.kind):
        of_kind = list(some)
        rows = Notice.objects.filter(kind=kind, object__in=[one.object for one in of_kind])
        told = set(rows.values_list("object", "occasion"))
        yield from (one for one in of_kind if (one.object, one.time) not in told)


def _was_told(kind: Notice.Kind, object: str) -> bool:
    return Notice.objects.filter(kind=kind, object=object).exists()


@whole
def _tell_alone(occasion: Occasion, *, at: datetime) -> bool:
    customers.lock(occasion.customer.pk)
    return tell(occasion, at=at)


def _day(at: datetime | None) -> str | None:
    """Write a day as people do: 5 December 2026."""
    return f"{at.day} {at:%B %Y}" if at else None
