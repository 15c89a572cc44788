"""An unknown result is not a failure: Stripe silent, slow, broken, or busy. Nothing is lost, nothing is done twice."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import LazySettings
from django.test import override_settings

from billing import gateway, janitor, refunds, sync
from billing.errors import KeyInFlight, StripeRefused, StripeUnknown
from billing.idempotency import Asking
from billing.models import Checkout, Refund, WebhookEvent
from billing.transactions import whole
from events import clock
from tests.buyer import Buyer

LATER = timedelta(minutes=2)


def break_stripe(buyer: Buyer, path: str, fault: str, times: int = 99) -> None:
    buyer.stripe.control("faults", path=path, method="POST", fault=fault, times=times)


def mend_stripe(buyer: Buyer) -> None:
    buyer.stripe.http.delete("/_sandbox/faults")


@pytest.mark.parametrize("fault", ["500", "429", "drop_reply", "drop_before"])
def test_a_checkout_without_an_answer_is_found_again_by_its_key(buyer: Buyer, fault: str) -> None:
    """The row and its price stand before Stripe is asked: the same key finds them, and opens one session."""
    break_stripe(buyer, "^/v1/checkout/sessions$", fault)
    with pytest.raises(StripeUnknown):
        buyer.order(key="k-1")
    waiting = Checkout.objects.get()
    assert (waiting.status, waiting.stripe_id) == ("open", None)

    mend_stripe(buyer)
    checkout = buyer.order(key="k-1")

    assert checkout == waiting
    assert checkout.stripe_id
    assert len(buyer.stripe.get("checkout/sessions")["data"]) == 1


def test_the_janitor_opens_what_nobody_asked_for_again(buyer: Buyer) -> None:
    """A client that went away: within a minute or two the truth is known."""
    break_stripe(buyer, "^/v1/checkout/sessions$", "drop_reply")
    with pytest.raises(StripeUnknown):
        buyer.order()
    mend_stripe(buyer)

    assert janitor.settle_unknown(at=clock.now() + LATER) == 1

    assert Checkout.objects.get().stripe_id
    assert len(buyer.stripe.get("checkout/sessions")["data"]) == 1


def test_past_its_time_the_janitor_only_looks(buyer: Buyer) -> None:
    """An old key may be forgotten at Stripe: then a second POST would be a second session."""
    break_stripe(buyer, "^/v1/checkout/sessions$", "drop_reply")
    with pytest.raises(StripeUnknown):
        buyer.order()
    mend_stripe(buyer)
    posts = len(buyer.stripe.requests("POST", "/v1/checkout/sessions"))

    janitor.settle_unknown(at=clock.now() + timedelta(hours=25))

    assert Checkout.objects.get().stripe_id
    assert len(buyer.stripe.requests("POST", "/v1/checkout/sessions")) == posts


def test_a_checkout_that_stripe_never_saw_expires(buyer: Buyer) -> None:
    """Nothing stays open for ever: its payment is given up with it."""
    break_stripe(buyer, "^/v1/checkout/sessions$", "drop_before")
    with pytest.raises(StripeUnknown):
        buyer.order()
    mend_stripe(buyer)

    janitor.settle_unknown(at=clock.now() + timedelta(hours=25))

    assert Checkout.objects.get().status == "expired"
    assert buyer.payment.status == "canceled"


@pytest.mark.parametrize("fault", ["500", "drop_reply"])
def test_a_refund_without_an_answer_is_made_once(buyer: Buyer, fault: str) -> None:
    """Its amount stays spoken for until it is known."""
    buyer.buy()
    break_stripe(buyer, "^/v1/refunds$", fault)
    with pytest.raises(StripeUnknown):
        refunds.create(buyer.payment, None, reason="", asking=Asking.of("admin:root", None, {}))
    assert Refund.objects.get().status == "requested"
    assert buyer.payment.left.minor == 0

    mend_stripe(buyer)
    janitor.settle_unknown(at=clock.now() + LATER)
    buyer.stripe.deliver()

    assert Refund.objects.get().status == "succeeded"
    assert len(buyer.stripe.get("refunds")["data"]) == 1


def test_a_refund_is_never_sent_again_once_its_key_may_be_forgotten(buyer: Buyer) -> None:
    """After 23 h a second POST would be a second refund: who asks again under the old key is told what Stripe has."""
    buyer.buy()
    asking = Asking.of("admin:root", "k-1", {})
    break_stripe(buyer, "^/v1/refunds$", "drop_reply")
    with pytest.raises(StripeUnknown):
        refunds.create(buyer.payment, 300, reason="", asking=asking)
    mend_stripe(buyer)
    posts = len(buyer.stripe.requests("POST", "/v1/refunds"))
    Refund.objects.update(created_at=clock.now() - timedelta(hours=25))

    refund, replayed = refunds.create(buyer.payment, 300, reason="", asking=asking)

    assert (replayed, refund.stripe_id) == (True, buyer.stripe.get("refunds")["data"][0]["id"])
    assert len(buyer.stripe.requests("POST", "/v1/refunds")) == posts
    buyer.stripe.deliver()
    assert Refund.objects.get().status == "succeeded"


def test_money_given_back_in_the_dashboard_meanwhile_takes_access(buyer: Buyer) -> None:
    """Both ask for all of it, and Stripe never heard of ours: what was given back counts at once, and ours ends."""
    buyer.buy()
    break_stripe(buyer, "^/v1/refunds$", "drop_before")
    with pytest.raises(StripeUnknown):
        refunds.create(buyer.payment, None, reason="", asking=Asking.of("admin:root", None, {}))
    mend_stripe(buyer)

    buyer.stripe.post("refunds", payment_intent=str(buyer.payment.stripe_id))
    buyer.stripe.deliver()

    assert not buyer.may().allowed
    assert buyer.payment.refunded_minor == buyer.payment.captured_minor
    janitor.settle_unknown(at=clock.now() + LATER)
    assert set(Refund.objects.values_list("status", flat=True)) == {"succeeded", "failed"}
    assert buyer.payment.shown_status == "refunded"


@pytest.mark.parametrize(("fault", "known"), [("drop_reply", "succeeded"), ("drop_before", "failed")])
def test_an_old_refund_ends_as_stripe_has_it(buyer: Buyer, fault: str, known: str) -> None:
    """No row waits for ever: the janitor looks, with no event to help."""
    buyer.buy()
    break_stripe(buyer, "^/v1/refunds$", fault)
    with pytest.raises(StripeUnknown):
        refunds.create(buyer.payment, 300, reason="", asking=Asking.of("admin:root", None, {}))
    mend_stripe(buyer)
    Refund.objects.update(created_at=clock.now() - timedelta(hours=25))

    janitor.settle_unknown(at=clock.now())

    assert Refund.objects.get().status == known


def test_a_key_in_use_is_told_so(buyer: Buyer) -> None:
    """In flight: 409, while the first request speaks to Stripe."""
    checkout = buyer.order(key="k-1")
    Checkout.objects.update(stripe_id=None, busy_until=clock.now() + LATER)

    with pytest.raises(KeyInFlight):
        buyer.order(key="k-1")

    assert Checkout.objects.get() == checkout


def test_an_event_that_cannot_be_looked_at_waits_and_is_tried_again(buyer: Buyer) -> None:
    """Stripe down for a while: the events stay, with the reason, and later all is as it should be."""
    checkout = buyer.order()
    buyer.stripe.pay(str(checkout.stripe_id))
    buyer.stripe.deliver(work=False)
    buyer.stripe.control("faults", path="^/v1/", method="GET", fault="500", times=99)

    for stripe_id in set(WebhookEvent.objects.exclude(looks_at="").values_list("looks_at", flat=True)):
        assert not sync.try_look(stripe_id)

    waiting = WebhookEvent.objects.filter(status="retry")
    assert {event.attempts for event in waiting} == {1}
    assert all("StripeUnknown" in event.last_error for event in waiting)

    mend_stripe(buyer)
    WebhookEvent.objects.update(due_at=clock.now())
    sync.sweep()

    assert buyer.may().allowed
    assert not WebhookEvent.objects.filter(status="retry").exists()


def test_after_the_twelfth_try_an_event_is_dead(buyer: Buyer) -> None:
    """It is kept for staff to replay, and does not block the others."""
    checkout = buyer.order()
    buyer.stripe.pay(str(checkout.stripe_id))
    buyer.stripe.deliver(work=False)
    buyer.stripe.control("faults", path="^/v1/", method="GET", fault="500", times=9999)
    event = WebhookEvent.objects.exclude(looks_at="").first()
    assert event

    for _ in range(12):
        WebhookEvent.objects.filter(status="retry").update(due_at=clock.now())
        sync.try_look(event.looks_at)

    event.refresh_from_db()
    assert (event.status, event.attempts) == ("dead", 12)


def test_stripe_is_never_asked_with_a_transaction_open(buyer: Buyer) -> None:
    """A slow answer must not hold locks."""
    with pytest.raises(RuntimeError, match="transaction open"):
        whole(gateway.fetch)("pi_1")


@override_settings(STRIPE_TIMEOUT_SECONDS=0.3)
def test_a_reply_that_never_comes_is_unknown(buyer: Buyer) -> None:
    """The time limit is ours."""
    gateway.client.cache_clear()
    break_stripe(buyer, "^/v1/checkout/sessions$", "hang")

    with pytest.raises(StripeUnknown):
        buyer.order()

    mend_stripe(buyer)


def test_a_buyer_is_not_told_what_is_wrong_with_our_key(buyer: Buyer, settings: LazySettings) -> None:
    """Stripe's sentence names the key: the answer says only that it cannot be done, and nothing stays open."""
    settings.STRIPE_API_KEY = "nonsense"
    gateway.client.cache_clear()

    with pytest.raises(StripeRefused) as refusal:
        buyer.order()

    assert str(refusal.value) == "Stripe does not let this installation do that."
    assert Checkout.objects.get().status == "expired"
