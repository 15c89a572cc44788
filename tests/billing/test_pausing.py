"""Pause, resume, undo an end, and come back after one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from billing import subscriptions, sync
from billing.models import Payment, Subscription
from events import clock
from tests.api import api
from tests.billing.test_changing import patch
from tests.billing.test_subscribing import subscribe
from tests.billing.test_subscriptions import HOUR, break_card, pass_time
from tests.buyer import Buyer

PATH = "/api/v1/subscriptions"


@pytest.fixture
def pro(buyer: Buyer) -> Subscription:
    """A subscription that is paid."""
    assert subscribe().status_code == 201
    return Subscription.objects.get()


def post(subscription: Subscription | str, step: str, key: str = "", **body: Any) -> Any:
    id = subscription if isinstance(subscription, str) else subscription.pk
    headers = {"Idempotency-Key": key} if key else {}
    return api().post(f"{PATH}/{id}/{step}", body, content_type="application/json", headers=headers)


def test_a_planned_end_is_undone(buyer: Buyer, pro: Subscription) -> None:
    """SU-06, ruling 27: the renewal comes as if nothing had been; twice is once, and then there is nothing to undo."""
    api().delete(f"{PATH}/{pro.pk}")
    assert api().get(f"{PATH}/{pro.pk}").json()["cancel_at_period_end"]

    answer = post(pro, "reactivate")

    assert (answer.status_code, answer.json()["cancel_at"]) == (201, None)
    assert (post(pro, "reactivate").status_code, post(pro, "reactivate").json()["code"]) == (
        409,
        "nothing_to_reactivate",
    )
    pass_time(buyer, pro.current_period_end + 2 * HOUR)
    assert Payment.objects.filter(status="succeeded").count() == 2
    assert buyer.may(at=pro.current_period_end + 3 * HOUR).reason_code == "granted"
    assert buyer.history("subscription").count("subscription.cancel_undone") == 1


def test_an_ended_one_gets_a_successor(buyer: Buyer, pro: Subscription) -> None:
    """SU-06, ruling 27: a new subscription with its own price, linked by previous; the key finds it again."""
    api().delete(f"{PATH}/{pro.pk}?mode=immediate")
    assert not buyer.may().allowed

    first, again = (post(pro, "reactivate", key="k-1", payment_method="pm_card_visa") for _ in range(2))

    assert first.status_code == 201, first.content
    assert first.json()["id"] == again.json()["id"] != str(pro.pk)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert first.json()["previous_subscription_id"] == str(pro.pk)
    assert (first.json()["status"], first.json()["plan_id"]) == ("active", "pro-monthly")
    assert first.json()["quote_id"] != str(pro.quote_id)
    assert buyer.may().allowed
    assert post(pro, "reactivate", payment_method="pm_card_visa").json()["code"] == "already_subscribed"


def test_sixteen_who_reactivate_make_one_successor(buyer: Buyer, pro: Subscription) -> None:
    """At the same time: one subscription, one charge."""
    api().delete(f"{PATH}/{pro.pk}?mode=immediate")

    answers = at_once(lambda: post(pro, "reactivate", payment_method="pm_card_visa").status_code)

    assert sorted(answers) == [201] + [409] * 15
    assert Payment.objects.filter(status="succeeded").count() == 2


def test_a_pause_charges_nothing_until_it_is_resumed(buyer: Buyer, pro: Subscription) -> None:
    """Stripe's pause_collection: the invoices of its time are void; the row says since when."""
    answer = post(pro, "pause")

    assert (answer.status_code, answer.json()["status"]) == (200, "active")
    assert answer.json()["paused_at"]
    assert answer.json()["resumes_at"] is None
    again = post(pro, "pause").json()
    assert again["paused_at"] == answer.json()["paused_at"]
    pass_time(buyer, pro.current_period_end + 2 * HOUR)
    assert Payment.objects.filter(status="succeeded").count() == 1
    resumed = post(pro, "resume")
    assert (resumed.status_code, resumed.json()["paused_at"]) == (200, None)
    assert post(pro, "resume").json()["code"] == "subscription_not_paused"
    assert Payment.objects.filter(status="succeeded").count() == 2
    pro.refresh_from_db()
    pass_time(buyer, pro.current_period_end + 2 * HOUR)
    assert Payment.objects.filter(status="succeeded").count() == 3
    told = [one for one in buyer.history("subscription") if "collection" in one]
    assert told == ["subscription.collection_paused", "subscription.collection_resumed"]


def test_a_pause_within_a_paid_period_charges_nothing_anew(buyer: Buyer, pro: Subscription) -> None:
    """What is paid is given again; the renewal comes when it would have come."""
    end = pro.current_period_end
    post(pro, "pause")
    assert not buyer.may().allowed

    assert post(pro, "resume").status_code == 200

    assert buyer.may().allowed
    pro.refresh_from_db()
    assert pro.current_period_end == end
    assert len(buyer.stripe.get("charges")["data"]) == 1


def test_a_period_that_began_on_a_pause_is_no_gift(buyer: Buyer, pro: Subscription) -> None:
    """Paused over the renewal and ended by itself: no access until it is resumed, which charges a new period, once."""
    until = pro.current_period_end + 3 * HOUR
    post(pro, "pause", resumes_at=until.isoformat())
    pass_time(buyer, until + HOUR)
    pro.refresh_from_db()
    at = until + 2 * HOUR
    assert (pro.status, pro.paused_at, buyer.may(at=at).allowed) == ("active", None, False)
    assert patch(pro, quantity=2).json()["code"] == "subscription_not_changeable"

    answers = at_once(lambda: post(pro, "resume").status_code, threads=4)

    assert 200 in answers
    # Who lost was told that another one is at it, or that nothing is paused any more.
    assert set(answers) <= {200, 409, 503}
    buyer.stripe.deliver(times=2, shuffled=3)
    assert Payment.objects.filter(status="succeeded").count() == 2
    pro.refresh_from_db()
    assert pro.current_period_start >= until
    assert buyer.may(at=at).allowed


def test_a_card_that_is_declined_resumes_nothing(buyer: Buyer, pro: Subscription) -> None:
    """402: the period stays unpaid, and another card pays it."""
    post(pro, "pause")
    pass_time(buyer, pro.current_period_end + 2 * HOUR)
    good = buyer.stripe.get(f"subscriptions/{pro.stripe_id}")["default_payment_method"]
    break_card(buyer)

    refused = post(pro, "resume")

    assert (refused.status_code, refused.json()["code"]) == (402, "card_declined")
    pro.refresh_from_db()
    assert not buyer.may(at=pro.current_period_start + 3 * HOUR).allowed
    buyer.stripe.post(f"subscriptions/{pro.stripe_id}", default_payment_method=good)
    assert post(pro, "resume").json()["status"] == "active"
    assert Payment.objects.filter(status="succeeded").count() == 2
    pro.refresh_from_db()
    assert buyer.may(at=pro.current_period_start + HOUR).allowed


def test_the_customers_new_card_is_tried_at_once(buyer: Buyer) -> None:
    """A card of the customer's, not the subscription's, is declined: another one of his is no repetition of that."""
    subscribe(plan_id="basic-monthly", payment_method=None)
    subscription = Subscription.objects.get()
    assert buyer.stripe.get(f"subscriptions/{subscription.stripe_id}")["default_payment_method"] is None
    default_card(buyer, "pm_card_chargeCustomerFail")
    post(subscription, "pause")
    pass_time(buyer, subscription.current_period_end + 2 * HOUR)
    refused = [post(subscription, "resume").status_code for _ in range(2)]
    default_card(buyer, "pm_card_visa")

    answer = post(subscription, "resume")

    assert refused == [402, 402]
    assert (answer.status_code, answer.json()["status"]) == (200, "active")
    assert post(subscription, "resume").json()["code"] == "subscription_not_paused"
    assert Payment.objects.filter(status="succeeded").count() == 1


def default_card(buyer: Buyer, name: str) -> None:
    customer = str(buyer.customer.stripe_id)
    card = buyer.stripe.post(f"payment_methods/{name}/attach", customer=customer)["id"]
    buyer.stripe.post(f"customers/{customer}", **{"invoice_settings[default_payment_method]": card})


def test_a_pause_with_an_end_ends_by_itself(buyer: Buyer, pro: Subscription) -> None:
    until = clock.now().replace(microsecond=0) + timedelta(days=10)
    assert post(pro, "pause", resumes_at=until.isoformat()).json()["resumes_at"]
    pass_time(buyer, until + HOUR)

    pro.refresh_from_db()
    assert (pro.paused_at, pro.resumes_at) == (None, None)


@pytest.mark.parametrize("moment", ["2020-01-01T00:00:00Z", "tomorrow", 7])
def test_a_pause_until_yesterday_is_refused(buyer: Buyer, pro: Subscription, moment: Any) -> None:
    assert post(pro, "pause", resumes_at=moment).status_code in (400, 409)
    assert api().get(f"{PATH}/{pro.pk}").json()["paused_at"] is None


def test_a_trial_that_ended_without_a_card_is_paused_and_taken_up_again(buyer: Buyer) -> None:
    """Stripe's status paused: no access; with a card a new period begins, and is charged."""
    answer = subscribe(plan_id="basic-monthly", payment_method=None).json()
    assert answer["status"] == "trialing"
    assert answer["client_secret"].startswith("seti_")
    subscription = Subscription.objects.get()
    pass_time(buyer, subscription.current_period_end + HOUR)
    subscription.refresh_from_db()
    assert subscription.status == "paused"
    assert not buyer.may().allowed
    customer = str(buyer.customer.stripe_id)
    card = buyer.stripe.post("payment_methods/pm_card_visa/attach", customer=customer)["id"]
    buyer.stripe.post(f"subscriptions/{subscription.stripe_id}", default_payment_method=card)

    resumed = post(subscription, "resume").json()

    assert resumed["status"] == "active"
    buyer.stripe.deliver(times=2, shuffled=5)
    assert Payment.objects.filter(status="succeeded").count() == 1
    assert buyer.may(at=subscription.current_period_end + 2 * HOUR).allowed


def test_what_never_was_paid_is_not_reactivated(buyer: Buyer) -> None:
    """An order that expired is ordered anew."""
    subscription = subscribe(payment_method=None).json()
    pass_time(buyer, clock.now() + timedelta(hours=24))

    assert post(subscription["id"], "reactivate").json()["code"] == "subscription_not_live"


@pytest.mark.parametrize("round", range(4))
def test_a_cancel_against_a_renewal_ends_as_stripe_says(buyer: Buyer, pro: Subscription, round: int) -> None:
    """Whoever comes first: our row, the access and the charges are Stripe's."""
    end = pro.current_period_end
    customer = str(buyer.customer.stripe_id)
    steps: list[Callable[[], object]] = [
        lambda: subscriptions.cancel(pro, now=round % 2 == 0),
        lambda: buyer.stripe.advance(customer, to=int((end + 2 * HOUR).timestamp())),
        lambda: sync.try_look(pro.stripe_id),
        lambda: sync.try_look(pro.stripe_id),
    ]
    together(steps)
    buyer.stripe.deliver(times=2, shuffled=round)

    pro.refresh_from_db()
    there = buyer.stripe.get(f"subscriptions/{pro.stripe_id}")
    assert pro.status == there["status"]
    assert bool(pro.cancel_at) == bool(there["cancel_at"])
    paid = [one for one in buyer.stripe.get("payment_intents")["data"] if one["status"] == "succeeded"]
    assert Payment.objects.filter(status="succeeded").count() == len(paid)


def at_once(ask: Callable[[], int], threads: int = 16) -> list[int]:
    return together([ask] * threads)


def together(steps: list[Callable[[], Any]]) -> list[Any]:
    gate = threading.Barrier(len(steps))

    def one(step: Callable[[], Any]) -> Any:
        gate.wait()
        try:
            return step()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(steps)) as pool:
        return list(pool.map(one, steps))
