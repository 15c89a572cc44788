"""The zone is earned: a quote's country is a claim, and the card that pays says whether it holds.

Nobody is ever charged more for it. What was bought keeps the price that was shown; a claim that does not hold is
flagged, and staff accept it, ask the buyer for the other price (`repricing`), or give the money back. `ZONE_POLICY`
does the same without staff.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import structlog
from django.conf import settings
from django.db.models import QuerySet

from billing import caps, idempotency, proposals, refunds, subscriptions
from billing.errors import AlreadyDecided, BillingError, RefundOverCap, StripeRefused, StripeUnknown
from billing.idempotency import Asking
from billing.models import Payment, Refund, Subscription, ZoneCheck
from billing.transactions import whole
from events import clock
from pricing import places, quotes
from pricing.models import Quote
from pricing.money import Money
from vault import faults

log = structlog.get_logger("farebox.earned")
Status = ZoneCheck.Status


class Ground(StrEnum):
    """The rows of the table, from the first that applies."""

    LIST_PRICE = "list_price"
    NO_CARD_COUNTRY = "no_card_country"
    PREPAID = "prepaid"
    SAME_COUNTRY = "same_country"
    SAME_ZONE = "same_zone"
    CHEAPER_OR_EQUAL = "cheaper_or_equal"
    WITHIN_TOLERANCE = "within_tolerance"
    DEARER = "dearer"
    OTHER_CURRENCY = "other_currency"


class Act(StrEnum):
    """What is done about a claim that does not hold."""

    ACCEPT = "accept"
    FLAG = "flag"
    REPRICE = "reprice"
    REFUND_AND_CANCEL = "refund_and_cancel"


FLAGGED = {Ground.NO_CARD_COUNTRY, Ground.PREPAID, Ground.DEARER, Ground.OTHER_CURRENCY}


@dataclass(frozen=True, slots=True)
class Priced:
    """A country, its zone, and what the plan costs there."""

    country: str
    zone: str
    amount: Money


def decide(claim: Priced, base: Money, card: Priced | None, *, prepaid: bool = False, tolerance: Decimal) -> Ground:
    """Say by which row of the table a claim stands or is flagged. `base`: the list price; `tolerance`: 0.1 is 10 %."""
    if claim.amount == base:
        return Ground.LIST_PRICE
    if card is None:
        return Ground.NO_CARD_COUNTRY
    if prepaid:
        # Sold everywhere: where it was issued says nothing about who holds it.
        return Ground.PREPAID
    if card.country == claim.country:
        return Ground.SAME_COUNTRY
    if card.zone == claim.zone:
        return Ground.SAME_ZONE
    if card.amount.currency != claim.amount.currency:
        return Ground.OTHER_CURRENCY
    if card.amount.minor <= claim.amount.minor:
        return Ground.CHEAPER_OR_EQUAL
    if card.amount.minor <= claim.amount.minor * (1 + tolerance):
        return Ground.WITHIN_TOLERANCE
    return Ground.DEARER


def check(payment: Payment, *, funding: str, at: datetime) -> None:
    """Hold the claim of a paid quote against its card, once. Runs inside the caller's transaction; may be repeated.

    A trial has paid nothing yet: its claim is checked with the first payment. What ran before it was adopted claimed
    nothing here.
    """
    quote = _quote(payment)
    if quote is None or not payment.captured_minor or _checks(payment, quote).exists():
        return
    if quotes.is_adopted(quote):
        return
    claim = Priced(quote.country_code, quote.zone_code, quote.amount)
    card = _priced(quote, payment.card_country, at=at) if payment.card_country else None
    tolerance = Decimal(settings.ZONE_TOLERANCE_PERCENT) / 100
    ground = decide(claim, quote.version.amount, card, prepaid=funding == "prepaid", tolerance=tolerance)
    made = ZoneCheck.objects.create(
        quote=quote,
        payment=payment,
        status=status_for(act(ground)),
        status_at=at,
        card_country=payment.card_country,
        card_zone=card.zone if card else "",
        card_minor=card.amount.minor if card else None,
        card_currency=card.amount.currency if card else "",
        ground=ground,
        decided_by="policy",
    )
    proposals.record(made, at=at)
    if act(ground) is Act.REPRICE:
        proposals.try_propose(made, at=at)


def act(ground: str) -> Act:
    """Say what the policy does about a ground. What holds is accepted, whatever is set."""
    return Act(settings.ZONE_POLICY.get(ground, Act.FLAG)) if ground in FLAGGED else Act.ACCEPT


def status_for(act: Act) -> Status:
    """Return the status in which a check begins: what must still be asked or given back is not decided."""
    return {Act.ACCEPT: Status.ACCEPTED, Act.REFUND_AND_CANCEL: Status.REFUSING}.get(act, Status.FLAGGED)


def accept(check: ZoneCheck, *, by: str) -> None:
    """Let a claim that is not decided stand. Raises AlreadyDecided; repeated it changes nothing."""
    _decided(check, Status.ACCEPTED, by=by)


def give_back(check: ZoneCheck, *, by: str) -> None:
    """Give back all that a flagged claim paid, and end what it bought. May be repeated until it is done.

    Raises AlreadyDecided, RefundOverCap, StripeRefused, StripeUnknown.
    """
    check.refresh_from_db()
    if Status.REFUSED not in {check.status, *check.NEXT[check.status]}:
        raise AlreadyDecided(check.status)
    payment, cap = check.payment, caps.of(check.payment.currency)
    if payment.refunded_minor + payment.left.minor > cap.minor:
        raise RefundOverCap(payment.left, cap)
    # Before anything is ended: nobody loses what he paid for without his money.
    _refund(check, payment, cap)
    if payment.subscription and payment.subscription.status in Subscription.LIVE:
        subscriptions.cancel(payment.subscription, now=True)
    _decided(check, Status.REFUSED, by=by)


def _refund(check: ZoneCheck, payment: Payment, cap: Money) -> None:
    key = f"zone-check:{check.pk}"
    failed = Refund.objects.filter(principal="zone", idempotency_key__startswith=key).exclude(status__in=Refund.LIVE)
    asking = Asking.of("zone", f"{key}:{count}" if (count := failed.count()) else key, {})
    # Asked again under its key it is the same refund, also when nothing is left by then.
    if payment.left.minor or idempotency.earlier(Refund, asking):
        refund, _ = refunds.create(payment, None, reason="", asking=asking, cap=cap)
        if refund.status not in Refund.LIVE:
            raise StripeRefused(refund.failure_reason or f"The refund is {refund.status}.")


@whole
def _decided(check: ZoneCheck, status: ZoneCheck.Status, *, by: str) -> None:
    at = clock.now()
    check = ZoneCheck.objects.select_for_update(of=("self",)).get(pk=check.pk)
    if check.status == status:
        return
    if not check.move_to(status, at=at):
        raise AlreadyDecided(check.status)
    check.decided_by = by
    check.save(update_fields=["decided_by"])
    proposals.record(check, at=at)


def refuse_due() -> int:
    """Give back what the policy refuses, and return how many. What it may not, or Stripe refuses, is for staff."""
    done = 0
    for check in ZoneCheck.objects.filter(status=Status.REFUSING).select_related("payment__subscription")[:100]:
        try:
            give_back(check, by="policy")
            done += 1
        except StripeUnknown:
            continue
        except BillingError as refused:
            log.warning("zone for staff", check=str(check.pk), reason=faults.named(refused))
            _decided(check, Status.FLAGGED, by="policy")
    return done


def _checks(payment: Payment, quote: Quote) -> QuerySet[ZoneCheck]:
    """Find what was said of the same purchase: a quote that names no user may be bought by several."""
    made = ZoneCheck.objects.filter(quote=quote)
    if payment.subscription:
        return made.filter(payment__subscription=payment.subscription)
    return made.filter(payment=payment)


def _quote(payment: Payment) -> Quote | None:
    bought = payment.checkout or payment.subscription
    return bought.quote if bought else payment.quote


def _priced(quote: Quote, country: str, *, at: datetime) -> Priced:
    found = quotes.price(quote.version, country, at=at)
    return Priced(places.normalise(country), found.zone.code, found.amount)
