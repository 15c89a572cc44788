"""A one-time purchase, from the order to access: once, twice, at the same time, out of order, refused."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from billing import sync
from billing.models import Checkout, Payment, WebhookEvent
from pricing.models import Quote
from tests.buyer import Buyer
from tests.stripe_side import DECLINED_CARD


def test_a_paid_checkout_gives_access(buyer: Buyer) -> None:
    """CO-01, CO-02, PA-07, PA-09, PA-10, EN-07, PL-07: pay on Stripe's page, then have it for life."""
    assert buyer.may().reason_code == "no_entitlement"

    checkout = buyer.buy(country="IN")

    assert checkout.status == "complete"
    assert buyer.payment.status == "succeeded"
    assert buyer.may().allowed
    assert buyer.may().expires_at is None
    assert buyer.history("checkout") == ["checkout.session.created", "checkout.session.completed"]
    assert buyer.history("payment") == ["payment.created", "payment.completed"]


def test_the_price_at_stripe_is_the_quoted_one(buyer: Buyer) -> None:
    """PZ-07, PZ-09: 29.99 USD costs 0.40 of it in India, on Stripe's side too, with a deterministic lookup key."""
    checkout = buyer.order("premium-plan", "IN")

    session = buyer.stripe.get(f"checkout/sessions/{checkout.stripe_id}")
    price = buyer.stripe.get("prices", **{"lookup_keys[]": "plan:premium-plan:v1:once:usd:1200"})["data"][0]

    assert checkout.quote.amount_minor == session["amount_total"] == price["unit_amount"] == 1200
    assert session["metadata"]["zone"] == "C"


def test_one_price_is_made_for_many_buyers(buyer: Buyer) -> None:
    """One Stripe price for each plan version, interval, currency and amount."""
    buyer.order(country="IN")
    Buyer(buyer.stripe, "ben").order(country="IN")
    Buyer(buyer.stripe, "eva").order(country="DE")

    assert len(buyer.stripe.requests("POST", "/v1/prices")) == 2


@pytest.mark.parametrize("seed", range(8))
def test_events_in_any_order_and_number_end_in_one_state(buyer: Buyer, seed: int) -> None:
    """WH-04: shuffled and doubled, every event is stored once, and the purchase stands once."""
    checkout = buyer.order()
    buyer.stripe.pay(str(checkout.stripe_id))

    buyer.stripe.deliver(times=2, shuffled=seed)

    assert buyer.facts()["payments"] == buyer.facts()["grants"] == 1
    assert buyer.history("payment") == ["payment.created", "payment.completed"]
    assert buyer.history("checkout") == ["checkout.session.created", "checkout.session.completed"]
    assert not WebhookEvent.objects.exclude(status__in=["processed", "ignored"]).exists()


def test_a_repeated_event_changes_and_announces_nothing(buyer: Buyer) -> None:
    """WH-04: the same delivery again is answered 200 and forgotten."""
    checkout = buyer.order()
    buyer.stripe.pay(str(checkout.stripe_id))
    events = buyer.stripe.deliver()
    before = buyer.facts()

    answers = [buyer.stripe.send(json.dumps(event).encode()).json() for event in events]

    assert all(answer["duplicate"] for answer in answers)
    assert buyer.facts() == before


def test_eight_looks_at_once_grant_once(buyer: Buyer) -> None:
    """The webhook, the sweeper and the landing page may all look at the same time."""
    checkout = buyer.order()
    buyer.stripe.pay(str(checkout.stripe_id))

    def look(_: int) -> None:
        sync.look(str(checkout.stripe_id))
        connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(look, range(8)))

    assert buyer.facts()["payments"] == buyer.facts()["grants"] == 1
    assert buyer.history("payment") == ["payment.created", "payment.completed"]


def test_a_declined_card_gives_a_reason_and_no_access(buyer: Buyer) -> None:
    """PA-12, CO-05: Stripe's reason is kept; one intent can be declined and then paid."""
    checkout = buyer.buy(card=DECLINED_CARD)

    assert (buyer.payment.status, buyer.payment.failure_code) == ("failed", "generic_decline")
    assert "declined" in buyer.payment.failure_reason
    assert not buyer.may().allowed

    buyer.stripe.pay(str(checkout.stripe_id))
    buyer.stripe.deliver()

    assert (buyer.payment.status, buyer.payment.failure_code) == ("succeeded", "")
    assert buyer.may().allowed
    assert buyer.history("payment") == ["payment.created", "payment.failed", "payment.completed"]


def test_a_second_decline_is_told_too(buyer: Buyer) -> None:
    """Each failed try is a line of history, though the status stays."""
    checkout = buyer.buy(card=DECLINED_CARD)

    buyer.stripe.pay(str(checkout.stripe_id), "4000000000009995")
    buyer.stripe.deliver()

    assert buyer.payment.failure_code == "insufficient_funds"
    assert buyer.history("payment") == ["payment.created", "payment.failed", "payment.failed"]


def test_an_expired_checkout_gives_up_its_payment(buyer: Buyer) -> None:
    """Nobody pays a closed page: the payment is canceled with it."""
    checkout = buyer.order()

    buyer.stripe.post(f"checkout/sessions/{checkout.stripe_id}/expire")
    buyer.stripe.deliver()

    assert Checkout.objects.get().status == "expired"
    assert buyer.payment.status == "canceled"
    assert buyer.history("checkout", "payment")[-2:] == ["checkout.session.expired", "payment.canceled"]


def test_the_landing_page_sees_the_payment_before_any_webhook(buyer: Buyer) -> None:
    """CO-05: who comes back from Stripe's page must not wait for the event."""
    checkout = buyer.order()
    buyer.stripe.pay(str(checkout.stripe_id))

    sync.look(str(checkout.stripe_id))

    assert buyer.may().allowed


@pytest.mark.parametrize("metadata", [{}, {"metadata[checkout_id]": "order 17"}])
def test_an_object_of_other_software_is_ignored(buyer: Buyer, metadata: dict[str, str]) -> None:
    """An account may serve other software: what we did not start changes nothing here, whatever it is called."""
    stranger = buyer.stripe.post("customers", email="x@example.com")
    buyer.stripe.post(
        "payment_intents",
        amount=500,
        currency="usd",
        customer=stranger["id"],
        confirm="true",
        payment_method="pm_card_visa",
        **{"automatic_payment_methods[enabled]": "true", "automatic_payment_methods[allow_redirects]": "never"},
        **metadata,
    )

    buyer.stripe.deliver()

    assert not Payment.objects.exists()
    assert set(WebhookEvent.objects.values_list("status", flat=True)) == {"ignored"}


def test_the_books_hold_what_was_frozen(buyer: Buyer) -> None:
    """PA-01: the payment's amount is the quote's, in minor units, whatever the zones say later."""
    buyer.buy(country="ET")

    quote = Quote.objects.get()
    assert (buyer.payment.amount_minor, buyer.payment.captured_minor, buyer.payment.currency) == (
        quote.amount_minor,
        quote.amount_minor,
        "usd",
    )
