"""A subscription without Stripe's page: once, at our price, with the bank's question where there is one."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from billing import customers, janitor
from billing.errors import BillingError, StripeUnknown
from billing.models import Payment, PaymentMethod, Subscription, SubscriptionOrder
from events import clock
from events.models import Event
from pricing import quotes
from pricing.models import Plan
from tests.api import api
from tests.buyer import Buyer
from tests.stripe_side import StripeSide

LATER = timedelta(minutes=2)
PATH = "/api/v1/subscriptions"
Body = dict[str, Any]


def subscribe(key: str = "", who: str = "anna", role: str = "user", **changes: Any) -> Any:
    """Ask for a subscription; a field given as None is left out."""
    asked = {"plan_id": "pro-monthly", "country_code": "IN", "payment_method": "pm_card_visa", **changes}
    body = {name: value for name, value in asked.items() if value is not None}
    headers = {"Idempotency-Key": key} if key else {}
    return api(who, role).post(PATH, body, content_type="application/json", headers=headers)


def test_a_card_at_hand_starts_a_subscription_at_our_price(buyer: Buyer) -> None:
    """SU-01, PZ-09: paid at once, access at once; the events that follow only tell of the card."""
    answer = subscribe()

    assert answer.status_code == 201, answer.content
    shown = answer.json()
    assert (shown["status"], shown["plan_id"], shown["quantity"]) == ("active", "pro-monthly", 1)
    assert shown["client_secret"] is None
    assert [item["amount"] for item in shown["items"]] == [800]
    assert buyer.may().allowed
    assert (buyer.payment.status, buyer.payment.captured_minor) == ("succeeded", 800)
    before = buyer.facts()
    buyer.stripe.deliver(times=2, shuffled=3)
    assert buyer.facts() == {**before, "history": [*before["history"], "payment_method.attached"]}
    assert buyer.history("subscription")[:3] == [
        "subscription.ordered",
        "subscription.created",
        "subscription.active",
    ]


def test_the_bank_s_question_is_the_buyer_s_to_answer(buyer: Buyer) -> None:
    """PA-06: 3-D Secure; the secret is in the answer, nowhere else, and access waits for the payment."""
    answer = subscribe(key="k-1", payment_method="pm_card_authenticationRequired").json()
    secret = answer["client_secret"]

    assert answer["status"] == "incomplete"
    assert secret.startswith("pi_")
    assert not buyer.may().allowed
    assert subscribe(key="k-1", payment_method="pm_card_authenticationRequired").json()["client_secret"] == secret
    buyer.stripe.control(f"3ds/{secret.split('_secret_')[0]}", success=True)
    buyer.stripe.deliver()
    assert Subscription.objects.get().status == "active"
    assert buyer.may().allowed
    assert not kept_anywhere(secret)


def kept_anywhere(text: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
            " AND data_type IN ('text', 'character varying', 'jsonb')"
        )
        columns = cursor.fetchall()
        found = []
        for table, column in columns:
            cursor.execute(f'SELECT count(*) FROM "{table}" WHERE "{column}"::text LIKE %s', [f"%{text}%"])
            found += [f"{table}.{column}"] if cursor.fetchone() != (0,) else []
    return found


def test_a_declined_card_leaves_it_incomplete_and_gives_nothing(buyer: Buyer) -> None:
    """Refused: the buyer may try another card with the secret, or give up; a second order is refused till then."""
    answer = subscribe(payment_method="pm_card_chargeCustomerFail")

    assert (answer.status_code, answer.json()["status"]) == (201, "incomplete")
    assert answer.json()["client_secret"]
    assert not buyer.may().allowed
    assert buyer.payment.status == "failed"
    assert subscribe().json()["code"] == "already_subscribed"
    assert api().delete(f"{PATH}/{answer.json()['id']}?mode=immediate").status_code == 200
    assert subscribe().json()["status"] == "active"


def test_a_card_that_pays_in_another_currency_is_refused_by_name(buyer: Buyer) -> None:
    """Stripe lets no card change its customer: the order ends, and another card makes the next one."""
    customers.at_stripe(customers.of_user("anna", at=clock.now()), "eur")
    body = {"payment_method_id": "pm_card_visa", "currency": "eur"}
    assert api().post("/api/v1/payment-methods", body, content_type="application/json").status_code == 201

    refused = subscribe(payment_method=PaymentMethod.objects.get().stripe_id)

    assert (refused.status_code, refused.json()["code"]) == (409, "payment_method_of_another_currency")
    assert SubscriptionOrder.objects.get().status == "failed"
    assert subscribe().json()["status"] == "active"


def test_without_a_card_the_first_payment_waits(buyer: Buyer) -> None:
    """The buyer's browser pays with the secret."""
    answer = subscribe(payment_method=None).json()

    assert answer["status"] == "incomplete"
    assert answer["client_secret"].startswith("pi_")


def test_a_price_of_stripe_s_names_the_plan_and_ours_is_charged(buyer: Buyer) -> None:
    """SU-01, PL-05, ruling 25: the price id of a cheaper zone buys nothing cheaper."""
    buyer.order("pro-monthly", "IN")
    price = buyer.stripe.get("prices")["data"][0]["id"]

    answer = subscribe(plan_id=None, price_id=price, country_code="US")

    assert answer.status_code == 201, answer.content
    assert answer.json()["plan_id"] == "pro-monthly"
    assert answer.json()["items"][0]["amount"] == 1999
    assert subscribe(who="ben", plan_id=None, price_id="price_unknown").json()["code"] == "price_unknown"


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"plan_id": "premium-plan"}, 400, "plan_not_recurring"),
        ({"plan_id": "free"}, 400, "nothing_to_pay"),
        ({"plan_id": "no-such-plan"}, 404, "plan_not_found"),
        ({"plan_id": None}, 400, "invalid_request"),
        ({"price_id": "price_1"}, 400, "invalid_request"),
        ({"payment_method": "pm_nobody"}, 400, "payment_method_unknown"),
        ({"trial_days": 1}, 400, "trial_too_long"),
        ({"trial_days": 91}, 400, "invalid_request"),
        ({"items": [{"plan_id": "family-yearly"}]}, 400, "items_differ"),
        ({"items": [{"plan_id": "pro-monthly"}]}, 400, "items_differ"),
        ({"quote_id": "01900000-0000-7000-8000-000000000000"}, 409, "quote_not_good"),
        ({"amount": 1}, 400, "invalid_request"),
    ],
)
def test_what_cannot_be_sold_is_refused_before_stripe_is_asked(
    buyer: Buyer, changes: Body, status: int, code: str
) -> None:
    """No row, no call that makes anything, and the field is named."""
    answer = subscribe(**changes)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not SubscriptionOrder.objects.exists()
    assert buyer.stripe.requests("POST", "/v1/subscriptions") == []


def test_the_quote_that_was_shown_is_charged(buyer: Buyer) -> None:
    """PZ-09: a quote holds, whatever becomes of the zones."""
    quote = quotes.quote(Plan.objects.get(pk="pro-monthly").current, "DE", user_id="anna", at=clock.now())

    answer = subscribe(quote_id=str(quote.pk), country_code="DE")

    assert answer.json()["quote_id"] == str(quote.pk)


@pytest.mark.parametrize("fault", ["500", "429", "drop_reply", "drop_before"])
def test_without_an_answer_the_same_key_finds_the_same_subscription(buyer: Buyer, fault: str) -> None:
    """Unknown is not a failure: 503, and then one subscription, charged once."""
    buyer.stripe.control("faults", path="^/v1/subscriptions$", method="POST", fault=fault, times=99)
    first = subscribe(key="k-1")
    assert (first.status_code, first.json()["code"]) == (503, "stripe_unknown")
    assert first.headers["Retry-After"]
    assert subscribe().json()["code"] == "already_subscribed"
    buyer.stripe.http.delete("/_sandbox/faults")

    again = subscribe(key="k-1")

    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (201, "true")
    assert again.json()["id"] == str(SubscriptionOrder.objects.get().pk)
    assert len(buyer.stripe.get("subscriptions")["data"]) == 1
    assert Payment.objects.filter(status="succeeded").count() == 1


@pytest.mark.parametrize("later", [LATER, timedelta(hours=25)])
def test_the_janitor_finds_out_what_nobody_asked_for_again(buyer: Buyer, later: timedelta) -> None:
    """Under the same key while Stripe remembers it; by its metadata after that, and nothing is sent again."""
    buyer.stripe.control("faults", path="^/v1/subscriptions$", method="POST", fault="drop_reply", times=99)
    assert subscribe().status_code == 503
    buyer.stripe.http.delete("/_sandbox/faults")

    assert janitor.settle_unknown(at=clock.now() + later) == 1

    assert Subscription.objects.get().status == "active"
    assert len(buyer.stripe.get("subscriptions")["data"]) == 1


def test_an_order_that_stripe_never_saw_fails_and_makes_room(buyer: Buyer) -> None:
    """Nothing stays open for ever; the same key is told so, another one may order."""
    buyer.stripe.control("faults", path="^/v1/subscriptions$", method="POST", fault="drop_before", times=99)
    assert subscribe(key="k-1").status_code == 503
    buyer.stripe.http.delete("/_sandbox/faults")

    janitor.settle_unknown(at=clock.now() + timedelta(hours=25))

    assert SubscriptionOrder.objects.get().status == "failed"
    assert subscribe(key="k-1").json()["code"] == "subscription_order_failed"
    assert subscribe(key="k-2").status_code == 201


def test_the_events_alone_bring_a_subscription_whose_answer_was_lost(buyer: Buyer) -> None:
    """Adopted by its metadata, under the id of its order."""
    buyer.stripe.control("faults", path="^/v1/subscriptions$", method="POST", fault="drop_reply", times=99)
    assert subscribe().status_code == 503
    buyer.stripe.http.delete("/_sandbox/faults")

    buyer.stripe.deliver(times=2, shuffled=1)

    order = SubscriptionOrder.objects.get()
    assert (order.status, Subscription.objects.get().pk) == ("complete", order.pk)
    assert buyer.may().allowed


def test_sixteen_orders_at_once_make_one_subscription(buyer: Buyer) -> None:
    """One live subscription per payer and product line, and one charge."""
    gate = threading.Barrier(16)

    def one(_number: int) -> int:
        gate.wait()
        try:
            return subscribe().status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(16) as pool:
        answers = sorted(pool.map(one, range(16)))

    assert answers == [201] + [409] * 15
    assert len(buyer.stripe.get("subscriptions", customer=buyer.customer.stripe_id)["data"]) == 1
    assert Payment.objects.filter(status="succeeded").count() == 1


def test_a_page_that_is_open_is_closed_first(buyer: Buyer) -> None:
    """Two ways to buy the same could both be paid."""
    page = buyer.order("pro-monthly")

    subscribe()

    page.refresh_from_db()
    assert page.status == "expired"
    with pytest.raises(BillingError):
        buyer.order("pro-monthly")


def test_quantity_and_items_are_billed_and_give_access(buyer: Buyer) -> None:
    """PL-11: several items; each gives what its plan includes, for the same span."""
    answer = subscribe(plan_id="basic-monthly", trial_days=0, quantity=3, items=[{"plan_id": "pro-monthly"}])

    shown = answer.json()
    assert [(item["plan_id"], item["quantity"], item["main"]) for item in shown["items"]] == [
        ("basic-monthly", 3, True),
        ("pro-monthly", 1, False),
    ]
    assert buyer.may("reports").allowed
    assert buyer.payment.captured_minor == sum(item["amount"] * item["quantity"] for item in shown["items"])
    end = Subscription.objects.get().current_period_end
    api().delete(f"{PATH}/{shown['id']}?mode=immediate")
    assert not buyer.may("reports", at=end - timedelta(days=1)).allowed


def test_staff_and_services_list_with_filters(buyer: Buyer) -> None:
    """SU-03: by status, user, plan and product line."""
    subscribe()
    subscribe(who="ben", plan_id="basic-monthly", trial_days=0)

    def listed(**query: str) -> list[str]:
        answer = api("a", "service").get(PATH, query)
        assert answer.status_code == 200
        return sorted(one["user_id"] for one in answer.json()["data"])

    assert listed() == ["anna", "ben"]
    assert listed(user_id="ben") == ["ben"]
    assert listed(plan_id="pro-monthly", status="active") == ["anna"]
    assert listed(product_line="other") == []
    assert api().get(PATH).status_code == 403


def test_a_foreign_user_id_is_an_absent_one(buyer: Buyer, stripe_side: StripeSide) -> None:
    """SE-02: a user subscribes for himself; an admin for anybody."""
    assert subscribe(user_id="ben").status_code == 404
    assert subscribe(user_id="ben", who="root", role="admin").json()["user_id"] == "ben"
    assert Event.objects.filter(subject="user:ben", type="subscription.active").count() == 1


def test_a_subscription_cannot_be_unknown_inside_a_transaction(buyer: Buyer) -> None:
    """Stripe is never asked with a transaction open."""
    from billing.at_stripe import subscriptions as at_stripe

    with pytest.raises(RuntimeError, match="transaction open"), transaction.atomic():
        at_stripe.client_secret("sub_1")
    with pytest.raises(BillingError) as refused:
        at_stripe.client_secret("sub_1")
    assert not isinstance(refused.value, StripeUnknown)
