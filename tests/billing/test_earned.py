"""The zone is earned: the card's country against the claimed one, a row of the table each."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from billing import earned, sync
from billing.earned import Ground, Priced
from billing.errors import AlreadyDecided, StripeRefused
from billing.models import Payment, Subscription, ZoneCheck
from events import clock
from pricing import plans, quotes, zones
from pricing.models import Country, Quote
from pricing.money import Money
from tests.api import api
from tests.billing.test_paying import a_quote
from tests.buyer import Buyer
from tests.staff import log_in

INDIAN_CARD = "4000003560000008"
BASE = Money(3000, "usd")
CLAIM = Priced("IN", "C", Money(1200, "usd"))


def priced(country: str, zone: str, minor: int, currency: str = "usd") -> Priced:
    return Priced(country, zone, Money(minor, currency))


@pytest.mark.parametrize(
    ("card", "prepaid", "ground", "flagged"),
    [
        (None, False, Ground.NO_CARD_COUNTRY, True),
        (priced("IN", "C", 1200), True, Ground.PREPAID, True),
        (priced("IN", "C", 1200), False, Ground.SAME_COUNTRY, False),
        (priced("PH", "C", 1300), False, Ground.SAME_ZONE, False),
        (priced("ET", "D", 600), False, Ground.CHEAPER_OR_EQUAL, False),
        (priced("BR", "B", 1200), False, Ground.CHEAPER_OR_EQUAL, False),
        (priced("BR", "B", 1320), False, Ground.WITHIN_TOLERANCE, False),
        (priced("BR", "B", 1321), False, Ground.DEARER, True),
        (priced("US", "A", 3000), False, Ground.DEARER, True),
        (priced("JP", "A", 1200, "jpy"), False, Ground.OTHER_CURRENCY, True),
    ],
)
def test_every_row_of_the_table(card: Priced | None, prepaid: bool, ground: Ground, flagged: bool) -> None:
    """Domain rule 2.4: the first row that applies decides."""
    found = earned.decide(CLAIM, BASE, card, prepaid=prepaid, tolerance=Decimal("0.1"))

    assert found is ground
    assert (found in earned.FLAGGED) is flagged


def test_whoever_pays_the_list_price_has_nothing_to_prove() -> None:
    """No card, or a prepaid one: no discount was claimed."""
    claim = priced("US", "A", 3000)

    for card in (None, priced("IN", "C", 1200)):
        assert earned.decide(claim, BASE, card, prepaid=True, tolerance=Decimal(0)) is Ground.LIST_PRICE


def test_a_card_from_the_claimed_country_is_accepted_once(buyer: Buyer) -> None:
    """Looked at again and again, one check is kept, with its line of history."""
    buyer.buy(card=INDIAN_CARD)
    buyer.stripe.deliver()

    check = ZoneCheck.objects.get()
    assert (check.status, check.ground, check.decided_by) == ("accepted", "same_country", "policy")
    assert buyer.history("zone-check") == ["zone.accepted"]


def test_a_dearer_card_is_flagged_and_charged_nothing_more(buyer: Buyer) -> None:
    """Never more silently: the price that was shown stays, access is given, staff see it."""
    buyer.buy()

    check = ZoneCheck.objects.get()
    assert (check.status, check.ground, check.card_country, check.card_zone) == ("flagged", "dearer", "US", "A")
    assert check.card_minor
    assert check.card_minor > buyer.payment.amount_minor
    assert (buyer.payment.captured_minor, buyer.may().allowed) == (1200, True)


def pay(user_id: str, quote: Quote, method: str) -> None:
    body = {"quote_id": str(quote.pk), "payment_method": method}
    answer = api(user_id).post("/api/v1/payments", body, content_type="application/json")
    assert answer.json()["status"] == "succeeded", answer.content


def test_a_quote_that_is_paid_without_a_page_is_held_against_its_card_too(buyer: Buyer) -> None:
    """The claim is the same whichever way the money comes."""
    quote = quotes.quote(plans.for_sale("premium-plan"), "IN", user_id="anna", at=clock.now())

    pay("anna", quote, "pm_card_us")
    buyer.stripe.deliver(times=2)

    check = ZoneCheck.objects.get()
    assert (check.status, check.ground, check.card_country, check.quote) == ("flagged", "dearer", "US", quote)
    assert check.payment.captured_minor == 1200


def test_one_quote_that_several_buy_is_a_claim_of_each(buyer: Buyer) -> None:
    """A quote may name no user: the good card of one says nothing of another's."""
    quote = quotes.quote(plans.for_sale("premium-plan"), "IN", user_id=None, at=clock.now())

    pay("anna", quote, "pm_card_in")
    pay("ben", quote, "pm_card_us")
    buyer.stripe.deliver(times=2)

    found = ZoneCheck.objects.values_list("payment__customer__user_id", "status", "ground")
    assert sorted(found) == [("anna", "accepted", "same_country"), ("ben", "flagged", "dearer")]


def test_staff_accept_or_refund_and_cancel_with_a_reason(buyer: Buyer) -> None:
    """A flagged claim is decided once, by who may, with a reason; the money goes back once."""
    subscription = buyer.subscribe()
    check = ZoneCheck.objects.get()
    root = log_in(Client(), User.objects.get_or_create(username="root", is_staff=True, is_superuser=True)[0])
    page = reverse("admin:billing_zonecheck_changelist")
    chosen = {"action": "refund_and_cancel", "_selected_action": [str(check.pk)]}

    root.post(page, {**chosen, "why": ""})
    check.refresh_from_db()
    assert check.status == "flagged"

    for _ in range(2):
        root.post(page, {**chosen, "why": "VPN."})
        buyer.stripe.deliver()

    check.refresh_from_db()
    subscription.refresh_from_db()
    assert (check.status, check.decided_by) == ("refused", "staff:root")
    assert subscription.status == "canceled"
    assert buyer.payment.shown_status == "refunded"
    assert len(buyer.stripe.requests("POST", "/v1/refunds")) == 1
    assert not buyer.may().allowed
    with pytest.raises(AlreadyDecided):
        earned.accept(check, by="staff:root")


def test_what_staff_accepted_stays_accepted(buyer: Buyer) -> None:
    """The staff's word is the last: no later look flags it again."""
    buyer.buy()
    check = ZoneCheck.objects.get()

    earned.accept(check, by="staff:root")
    buyer.stripe.deliver()

    check.refresh_from_db()
    assert (check.status, check.decided_by) == ("accepted", "staff:root")
    with pytest.raises(AlreadyDecided):
        earned.give_back(check, by="staff:root")


def test_a_zone_edit_touches_nobody_who_pays(buyer: Buyer) -> None:
    """PL: the price is locked: the next period costs what the first did, whatever becomes of the zone."""
    subscription = buyer.subscribe()
    india = Country.objects.get(iso_code="IN")
    row = zones.CountryRow("IN", **{name: getattr(india, name) for name in zones.COUNTRY_FIELDS})

    zones.upsert(zones.CountryRow("IN", "India", "A"), at=clock.now())
    buyer.stripe.advance(str(buyer.customer.stripe_id), to=int(subscription.current_period_end.timestamp()) + 7200)
    buyer.stripe.deliver()
    zones.upsert(row, at=clock.now())

    paid = Payment.objects.filter(subscription=subscription, status="succeeded")
    assert len(set(paid.values_list("amount_minor", flat=True))) == 1
    assert paid.count() == 2
    assert Subscription.objects.get().quote.zone_code == "C"
    assert ZoneCheck.objects.count() == 1


def test_what_is_paid_by_a_quote_without_a_page_is_checked_too(buyer: Buyer) -> None:
    """The claim is the quote's, whichever door it was paid at."""
    body = {"quote_id": str(a_quote().pk), "payment_method": "pm_card_visa"}

    assert api().post("/api/v1/payments", body, content_type="application/json").json()["status"] == "succeeded"
    buyer.stripe.deliver(times=2)

    check = ZoneCheck.objects.get()
    assert (check.status, check.ground, check.payment) == ("flagged", "dearer", buyer.payment)


def test_what_cannot_be_given_back_ends_nothing(buyer: Buyer) -> None:
    """The money first: while Stripe refuses it the subscription runs on, and a later try is another refund."""
    subscription = buyer.subscribe()
    check = ZoneCheck.objects.get()
    buyer.stripe.post("refunds", payment_intent=str(buyer.payment.stripe_id))
    buyer.stripe.new_events()

    for _ in range(2):
        with pytest.raises(StripeRefused):
            earned.give_back(check, by="staff:root")
        check.refresh_from_db()
        subscription.refresh_from_db()
        assert (check.status, subscription.status) == ("flagged", "active")

    sync.look(str(buyer.payment.stripe_id))
    earned.give_back(ZoneCheck.objects.get(), by="staff:root")
    subscription.refresh_from_db()
    assert (ZoneCheck.objects.get().status, subscription.status) == ("refused", "canceled")
    assert buyer.payment.shown_status == "refunded"
