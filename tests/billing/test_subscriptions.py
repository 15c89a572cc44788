"""A plan that renews: paid again, failed, cancelled; access follows to the second."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from django.db import connection, transaction

from billing import gateway, subscriptions, sync
from billing.errors import AlreadySubscribed, NotLive
from billing.models import Finding, Payment, Subscription
from billing.policy import PAST_DUE_GRACE, RENEWAL_GRACE
from billing.transactions import whole
from events import clock
from pricing import plans
from pricing.models import Plan
from tests.books import empty, forget_plan
from tests.buyer import Buyer
from tests.stripe_side import StripeSide

MICROSECOND = timedelta(microseconds=1)
HOUR = timedelta(hours=1)


def pass_time(buyer: Buyer, to: datetime) -> None:
    """Let Stripe's clock of this customer go on, and its events arrive."""
    buyer.stripe.advance(str(buyer.customer.stripe_id), to=int(to.timestamp()))
    buyer.stripe.deliver()


def break_card(buyer: Buyer) -> None:
    """Make the next renewals fail: the card is one that is declined when charged."""
    customer = str(buyer.customer.stripe_id)
    card = buyer.stripe.post("payment_methods/pm_card_chargeCustomerFail/attach", customer=customer)["id"]
    buyer.stripe.post(f"customers/{customer}", **{"invoice_settings[default_payment_method]": card})
    subscription = Subscription.objects.get().stripe_id
    buyer.stripe.post(f"subscriptions/{subscription}", default_payment_method=card)
    buyer.stripe.deliver()


def test_a_paid_subscription_gives_access_for_its_period(buyer: Buyer) -> None:
    """SU-07, SU-08, IN-04: the first invoice is paid on the page; access lasts as long as it, and a renewal's grace."""
    subscription = buyer.subscribe()

    assert subscription.status == "active"
    assert buyer.payment.subscription == subscription
    end = subscription.current_period_end
    assert buyer.may(at=end - MICROSECOND).reason_code == "granted"
    assert buyer.may(at=end).reason_code == "in_grace"
    assert not buyer.may(at=end + RENEWAL_GRACE).allowed


def test_a_renewal_goes_on_without_a_gap(buyer: Buyer) -> None:
    """SU-07: a month later the invoice is paid, and access runs through the boundary."""
    subscription = buyer.subscribe()
    first_end = subscription.current_period_end

    pass_time(buyer, first_end + 2 * HOUR)

    subscription.refresh_from_db()
    assert subscription.current_period_start == first_end
    assert Payment.objects.filter(subscription=subscription, status="succeeded").count() == 2
    for moment in (first_end - MICROSECOND, first_end, first_end + 20 * timedelta(days=1)):
        assert buyer.may(at=moment).reason_code == "granted"
    assert buyer.history("subscription").count("subscription.renewed") == 1


def test_a_failed_renewal_is_past_due_then_grace_then_gone(buyer: Buyer) -> None:
    """IN-04, domain-rules 1.5: access in grace from the end of what was paid, then no."""
    subscription = buyer.subscribe()
    paid_until = subscription.current_period_end
    break_card(buyer)

    pass_time(buyer, paid_until + 2 * HOUR)

    subscription.refresh_from_db()
    assert subscription.status == "past_due"
    assert Payment.objects.latest("id").status == "failed"
    assert buyer.may(at=paid_until - MICROSECOND).reason_code == "granted"
    assert buyer.may(at=paid_until).reason_code == "in_grace"
    assert buyer.may(at=paid_until + PAST_DUE_GRACE - MICROSECOND).allowed
    assert not buyer.may(at=paid_until + PAST_DUE_GRACE).allowed


def test_a_mended_card_brings_access_back(buyer: Buyer) -> None:
    """A renewal that fails and is paid on a retry gives the whole period."""
    subscription = buyer.subscribe()
    paid_until = subscription.current_period_end
    break_card(buyer)
    pass_time(buyer, paid_until + 2 * HOUR)
    customer = str(buyer.customer.stripe_id)
    good = buyer.stripe.post("payment_methods/pm_card_visa/attach", customer=customer)["id"]
    buyer.stripe.post(f"subscriptions/{subscription.stripe_id}", default_payment_method=good)

    pass_time(buyer, paid_until + timedelta(days=5))

    subscription.refresh_from_db()
    assert subscription.status == "active"
    assert buyer.may(at=paid_until + timedelta(days=10)).reason_code == "granted"


def test_after_the_last_retry_it_ends(buyer: Buyer) -> None:
    """SU-08: customer.subscription.deleted; the grace that was given is not taken back, nor given twice."""
    subscription = buyer.subscribe()
    paid_until = subscription.current_period_end
    break_card(buyer)

    pass_time(buyer, paid_until + timedelta(days=40))

    subscription.refresh_from_db()
    assert subscription.status == "canceled"
    assert buyer.may(at=paid_until - MICROSECOND).allowed
    assert not buyer.may(at=paid_until + PAST_DUE_GRACE).allowed


def test_cancel_at_period_end_keeps_access_until_that_second(buyer: Buyer) -> None:
    """SU-04, ruling 27: paid is paid; no grace follows an end that was wished."""
    subscription = buyer.subscribe()
    end = subscription.current_period_end

    subscriptions.cancel(subscription, now=False)
    buyer.stripe.deliver()

    subscription.refresh_from_db()
    assert subscription.cancel_at_period_end
    for _ in range(2):
        assert buyer.may(at=end - MICROSECOND).allowed
        assert not buyer.may(at=end).allowed
        pass_time(buyer, end + HOUR)
    subscription.refresh_from_db()
    assert subscription.status == "canceled"
    assert buyer.history("subscription")[-2:] == ["subscription.cancel_scheduled", "subscription.canceled"]


def test_cancel_at_once_ends_access_at_once(buyer: Buyer) -> None:
    """SU-04: mode=immediate; asking twice says that there is nothing left to cancel."""
    subscription = buyer.subscribe()

    subscriptions.cancel(subscription, now=True)
    buyer.stripe.deliver()

    subscription.refresh_from_db()
    assert subscription.status == "canceled"
    assert not buyer.may().allowed
    with pytest.raises(NotLive):
        subscriptions.cancel(subscription, now=True)


def test_a_second_subscription_in_a_product_line_is_refused(buyer: Buyer) -> None:
    """One live subscription per payer and product line."""
    buyer.subscribe()

    with pytest.raises(AlreadySubscribed):
        buyer.order("pro-monthly")


def test_a_new_page_closes_the_older_one(buyer: Buyer) -> None:
    """Two open pages could be paid twice: opening the second closes the first at Stripe."""
    first = buyer.order("pro-monthly")

    buyer.order("pro-monthly")

    first.refresh_from_db()
    assert first.status == "expired"
    assert buyer.stripe.get(f"checkout/sessions/{first.stripe_id}")["status"] == "expired"


def test_two_subscriptions_bought_all_the_same_are_a_finding(buyer: Buyer) -> None:
    """The money is Stripe's truth: the second one is kept, marked, and shown to staff."""
    first = buyer.order("pro-monthly")
    buyer.stripe.pay(str(first.stripe_id))
    buyer.stripe.deliver()
    original = buyer.stripe.get(f"subscriptions/{Subscription.objects.get().stripe_id}")

    _subscribe_at_stripe(buyer.stripe, original)
    buyer.stripe.deliver()

    assert Subscription.objects.filter(duplicate=True).count() == 1
    assert Finding.objects.get().kind == "second_subscription"


def test_a_second_one_that_goes_on_when_the_first_has_ended_is_the_one_he_has(buyer: Buyer) -> None:
    """Staff end one of the two: whichever is left, nobody sells him a third."""
    first = buyer.subscribe()
    _subscribe_at_stripe(buyer.stripe, buyer.stripe.get(f"subscriptions/{first.stripe_id}"))
    buyer.stripe.deliver()

    subscriptions.cancel(first, now=True)

    assert buyer.may().allowed
    with pytest.raises(AlreadySubscribed):
        buyer.order("pro-monthly")


def _subscribe_at_stripe(stripe: StripeSide, like: dict) -> None:
    metadata = {f"metadata[{key}]": value for key, value in like["metadata"].items()}
    stripe.post(
        "subscriptions",
        customer=like["customer"],
        default_payment_method=like["default_payment_method"],
        **{"items[0][price]": like["items"]["data"][0]["price"]["id"]},
        **metadata,
    )


@pytest.mark.parametrize("seed", range(6))
def test_renewal_events_in_any_order_end_in_one_state(buyer: Buyer, seed: int) -> None:
    """Different events that tell the same fact, in any order and number."""
    subscription = buyer.subscribe()
    end = subscription.current_period_end

    buyer.stripe.advance(str(buyer.customer.stripe_id), to=int((end + 2 * HOUR).timestamp()))
    buyer.stripe.deliver(times=2, shuffled=seed)

    subscription.refresh_from_db()
    assert (subscription.status, subscription.current_period_start) == ("active", end)
    assert Payment.objects.filter(status="succeeded").count() == 2
    assert buyer.history("subscription").count("subscription.renewed") == 1


def test_a_look_that_began_earlier_never_writes_over_a_later_one(buyer: Buyer) -> None:
    """What was fetched before a change and comes to be written after it is stale."""
    subscription = buyer.subscribe()
    before = clock.now()
    stale = gateway.fetch(subscription.stripe_id)
    subscriptions.cancel(subscription, now=True)
    sync.look(subscription.stripe_id)

    assert whole(subscriptions.settle)(stale, looked_at=before)

    subscription.refresh_from_db()
    assert subscription.status == "canceled"


def test_the_intent_s_event_alone_brings_the_whole_subscription(buyer: Buyer) -> None:
    """When every other event is lost or late: the payment names its invoice, and that its subscription."""
    checkout = buyer.order("pro-monthly")
    buyer.stripe.pay(str(checkout.stripe_id))
    intent = buyer.stripe.get("payment_intents")["data"][0]["id"]

    sync.look(intent)

    assert Subscription.objects.get().status == "active"
    assert buyer.payment.status == "succeeded"
    assert buyer.may().allowed


@pytest.mark.parametrize("seen", ["incomplete", "paused"])
def test_a_look_that_missed_what_lay_between_catches_up(buyer: Buyer, seen: str) -> None:
    """Stripe's events were lost for a month: past due is past due, whatever we saw last."""
    subscription = buyer.subscribe()
    end = subscription.current_period_end
    break_card(buyer)
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("UPDATE billing_subscription SET status = %s", [seen])
        cursor.execute("SET session_replication_role = DEFAULT")

    pass_time(buyer, end + 2 * HOUR)

    subscription.refresh_from_db()
    assert subscription.status == "past_due"
    assert buyer.may(at=end).reason_code == "in_grace"


def test_a_trial_gives_access_before_anything_is_paid(buyer: Buyer, trial_plan: str) -> None:
    """PL-08, SU-07: trialing is access until the trial ends; nothing is due on the page, and nothing is amiss."""
    subscription = buyer.subscribe(trial_plan)

    assert subscription.status == "trialing"
    assert subscription.trial_end == subscription.current_period_end
    assert buyer.may(at=subscription.current_period_end - MICROSECOND).allowed
    assert not Finding.objects.exists()


@pytest.fixture
def trial_plan(books: None) -> Iterator[str]:
    """A plan with fourteen days of trial."""
    with transaction.atomic():
        plan = plans.add("trial-monthly", name="Trial", at=clock.now())
        terms = plans.terms_of(Plan.objects.get(pk="pro-monthly").current)
        plans.publish(plans.draft(plan, replace(terms, trial_days=14), at=clock.now()), at=clock.now())
    yield plan.pk
    empty()
    forget_plan(plan.pk)
