"""Payments that are asked for: a row, then one intent at Stripe, by whoever may name the amount."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection

from billing import customers, janitor
from billing.models import Payment, PaymentMethod
from events import clock
from events.models import Event
from pricing import plans, quotes
from pricing.models import Quote
from tests.api import api, places
from tests.buyer import Buyer
from tests.stripe_side import StripeSide

V1 = "/api/v1"
DECLINED_BY_THE_BANK = "pm_card_visa_chargeDeclined"
AUTHENTICATED = "pm_card_authenticationRequired"


def post(path: str, who: str = "shop", role: str = "service", key: str | None = None, **body: Any) -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    return api(who, role).post(f"{V1}/{path}", body, content_type="application/json", headers=headers)


def pay(**body: Any) -> Any:
    return post("payments", **{"user_id": "anna", "amount": 2500, "currency": "USD", **body})


def a_quote(plan_id: str = "premium-plan", user_id: str | None = "anna") -> Quote:
    return quotes.quote(plans.for_sale(plan_id), "IN", user_id=user_id, at=clock.now())


def test_a_service_asks_and_the_browser_pays(buyer: Buyer) -> None:
    """PA-01, PA-02, PA-07: saved, then Stripe, then answered with what the browser needs, which is not kept."""
    made = pay(description="Ticket", order_id="o-1", metadata={"seat": "4A"})

    assert made.status_code == 201, made.content
    shown = made.json()
    assert (shown["status"], shown["amount"], shown["currency"], shown["order_id"]) == ("pending", 2500, "USD", "o-1")
    assert shown["metadata"] == {"seat": "4A"}
    assert shown["client_secret"].startswith(shown["external_payment_id"])
    buyer.stripe.post(
        f"payment_intents/{shown['external_payment_id']}/confirm",
        payment_method="pm_card_visa",
        return_url="http://localhost:3000/done",
    )
    buyer.stripe.deliver(times=2)
    seen = api("anna").get(f"{V1}/payments/{shown['id']}").json()
    assert seen["status"] == "succeeded"
    assert "client_secret" not in seen
    assert [one["status"] for one in seen["attempts"]] == ["succeeded"]
    assert buyer.history("payment") == ["payment.created", "payment.completed", "order.status.updated"]


def test_a_named_method_is_confirmed_at_once(buyer: Buyer) -> None:
    """PA-14, ruling 17: a pm_ id pays without a browser, once."""
    made = pay(payment_method="pm_card_visa", key="k-1")
    again = pay(payment_method="pm_card_visa", key="k-1")

    assert (made.status_code, made.json()["status"], made.json()["client_secret"]) == (201, "succeeded", None)
    assert (again.json()["id"], again.headers["Idempotent-Replayed"]) == (made.json()["id"], "true")
    assert len(buyer.stripe.get("charges")["data"]) == 1


def test_a_kind_of_method_is_only_kept(buyer: Buyer) -> None:
    """Ruling 17: credit_card of 001 is a kind, not a method of Stripe's."""
    shown = pay(payment_method="credit_card").json()

    assert (shown["status"], shown["method_type"], shown["stripe_payment_method_id"]) == ("pending", "card", "")


def test_a_declined_card_is_a_failed_payment_that_may_still_succeed(buyer: Buyer) -> None:
    """PA-09, PA-12: an intent can fail, then succeed; every try is a row, the order hears of both ends once."""
    shown = pay(payment_method=DECLINED_BY_THE_BANK, order_id="o-1").json()
    assert (shown["status"], shown["failure_code"]) == ("failed", "generic_decline")

    for method in (DECLINED_BY_THE_BANK, "pm_card_visa"):
        buyer.stripe.http.post(
            f"/v1/payment_intents/{shown['external_payment_id']}/confirm", data={"payment_method": method}
        )
    buyer.stripe.deliver(times=2, shuffled=3)

    seen = api("anna").get(f"{V1}/payments/{shown['id']}").json()
    assert seen["status"] == "succeeded"
    assert [one["status"] for one in seen["attempts"]] == ["failed", "failed", "succeeded"]
    assert [one["decline_code"] for one in seen["attempts"]] == ["generic_decline", "generic_decline", ""]
    told = Event.objects.filter(type="order.status.updated").order_by("sequence")
    assert [row.data for row in told] == [
        {"order_id": "o-1", "status": "CANCELLED"},
        {"order_id": "o-1", "status": "COMPLETED"},
    ]


def test_a_bank_that_wants_to_see_the_buyer(buyer: Buyer) -> None:
    """3-D Secure: requires_action with the client secret, then on."""
    shown = pay(payment_method=AUTHENTICATED).json()
    assert shown["status"] == "requires_action"
    assert shown["client_secret"]

    buyer.stripe.http.post(f"/3ds/{shown['external_payment_id']}", data={"result": "complete"})
    buyer.stripe.deliver()

    assert buyer.payment.status == "succeeded"


def test_an_order_has_one_payment_however_it_is_asked(buyer: Buyer) -> None:
    """Ruling 15: idempotent per caller and order, without a key, sixteen at once."""

    def ask(_: int) -> Any:
        try:
            return pay(order_id="o-1")
        finally:
            connection.close()

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(ask, range(16)))

    assert {answer.status_code for answer in answers} <= {201, 409}
    assert Payment.objects.count() == 1
    assert len(buyer.stripe.get("payment_intents")["data"]) == 1
    other = pay(order_id="o-1", amount=2600)
    assert (other.status_code, other.json()["code"]) == (409, "order_taken")
    assert pay(order_id="o-1").headers["Idempotent-Replayed"] == "true"


def test_a_user_pays_what_a_quote_says_and_gets_what_it_is_for(buyer: Buyer) -> None:
    """An amount from a user counts only when a quote of his backs it."""
    quote = a_quote()

    alone = post("payments", "anna", "user", amount=1, currency="usd")
    other = post("payments", "anna", "user", amount=1, currency="usd", quote_id=str(quote.pk))
    made = post("payments", "anna", "user", quote_id=str(quote.pk), payment_method="pm_card_visa")

    assert (alone.status_code, alone.json()["code"]) == (400, "quote_needed")
    assert (other.status_code, other.json()["code"], places(other)) == (409, "price_mismatch", ["#/amount"])
    assert (made.status_code, made.json()["amount"]) == (201, quote.amount_minor)
    assert buyer.may().allowed


@pytest.mark.parametrize(("plan", "user_id"), [("pro-monthly", "anna"), ("premium-plan", "ben")])
def test_a_quote_for_another_or_for_what_renews_is_refused(buyer: Buyer, plan: str, user_id: str) -> None:
    """One payment would buy for ever what renews."""
    answer = post("payments", "anna", "user", quote_id=str(a_quote(plan, user_id).pk))

    assert (answer.status_code, answer.json()["code"]) == (409, "quote_not_good")
    assert not Payment.objects.exists()


def test_a_quote_that_has_expired_is_refused(buyer: Buyer) -> None:
    """A price stands for half an hour."""
    long_ago = clock.now() - timedelta(hours=1)
    quote = quotes.quote(plans.for_sale("premium-plan"), "IN", user_id="anna", at=long_ago)

    assert post("payments", "anna", "user", quote_id=str(quote.pk)).json()["code"] == "quote_not_good"


@pytest.mark.parametrize(
    ("body", "code", "place"),
    [
        ({"amount": 49}, "amount_too_small", "#/amount"),
        ({"currency": "xxx"}, "unknown_currency", "#/currency"),
        ({"currency": "u$d"}, "invalid_request", "#/currency"),
        ({"amount": 10.0}, "invalid_request", "#/amount"),
        ({"payment_method": "4242424242424242"}, "invalid_request", "#/payment_method"),
        ({"customer_id": str(uuid4())}, "invalid_request", "#/user_id"),
    ],
)
def test_bad_input_names_its_field(buyer: Buyer, body: dict[str, Any], code: str, place: str) -> None:
    """Refused before anything is written; a card number is no payment method (SAQ-A)."""
    answer = pay(**body)

    assert (answer.status_code, answer.json()["code"], places(answer)) == (400, code, [place])
    assert not Payment.objects.exists()


def test_the_older_path_for_the_payment_of_an_order(buyer: Buyer) -> None:
    """CO-03: POST /payments/intent and GET /payments/{id} of 003, by a service, without a user."""
    order = str(uuid4())
    client = api("shop", "service")

    made = client.post(
        "/payments/intent", {"order_id": order, "amount": 2500, "currency": "usd"}, content_type="application/json"
    )
    again = post("payments/intent", order_id=order, amount=2500, currency="usd")

    assert made.status_code == 201, made.content
    assert made.json()["client_secret"]
    assert again.json() == made.json()
    seen = client.get(f"/payments/{made.json()['payment_id']}").json()
    assert (seen["order_id"], seen["user_id"]) == (order, f"order:{order}")


def test_what_stripe_refuses_for_good_leaves_its_order_free(buyer: Buyer) -> None:
    """No such payment method: canceled, and the order may be paid by another payment."""
    refused = pay(order_id="o-1", payment_method="pm_nobodys")
    better = pay(order_id="o-1")

    assert refused.status_code == 502
    assert better.status_code == 201
    assert list(Payment.objects.order_by("pk").values_list("status", flat=True)) == ["canceled", "pending"]


def faulty(stripe: StripeSide, path: str, fault: str) -> None:
    stripe.control("faults", path=path, method="POST", fault=fault, times=99)


@pytest.mark.parametrize("fault", ["500", "429", "drop_reply", "drop_before"])
@pytest.mark.parametrize("path", ["^/v1/payment_intents$", "^/v1/payment_intents/.*/confirm$"])
def test_a_payment_without_an_answer_is_taken_once(buyer: Buyer, fault: str, path: str) -> None:
    """503 and Retry-After; the janitor, or the same request again, finds the one intent and the one charge."""
    faulty(buyer.stripe, path, fault)
    unknown = pay(payment_method="pm_card_visa", key="k-1")
    buyer.stripe.http.delete("/_sandbox/faults")

    janitor.settle_unknown(at=clock.now() + timedelta(minutes=2))
    known = pay(payment_method="pm_card_visa", key="k-1")

    assert (unknown.status_code, known.status_code) == (503, 201)
    assert int(unknown.headers["Retry-After"]) > 0
    assert known.json()["status"] == "succeeded"
    assert len(buyer.stripe.get("payment_intents")["data"]) == 1
    assert len(buyer.stripe.get("charges")["data"]) == 1


@pytest.mark.parametrize(("fault", "known"), [("drop_reply", "pending"), ("drop_before", "canceled")])
def test_past_its_time_the_janitor_only_looks(buyer: Buyer, fault: str, known: str) -> None:
    """After 23 h a second POST could be a second intent."""
    faulty(buyer.stripe, "^/v1/payment_intents$", fault)
    assert pay().status_code == 503
    buyer.stripe.http.delete("/_sandbox/faults")
    posts = len(buyer.stripe.requests("POST", "/v1/payment_intents"))
    Payment.objects.update(created_at=clock.now() - timedelta(hours=25))

    janitor.settle_unknown(at=clock.now())

    assert buyer.payment.status == known
    assert len(buyer.stripe.requests("POST", "/v1/payment_intents")) == posts


def test_a_card_of_the_second_stripe_customer_pays_as_any_other(buyer: Buyer) -> None:
    """Stripe takes a method with its own customer only: of several the one that has it pays."""
    customer = customers.of_user("anna", at=clock.now())
    first, second = (customers.at_stripe(customer, currency) for currency in ("usd", "eur"))
    post("payment-methods", "anna", "user", payment_method_id="pm_card_visa", currency="eur")
    method = PaymentMethod.objects.get()

    made = pay(payment_method=method.stripe_id)

    assert (made.status_code, made.json()["status"]) == (201, "succeeded")
    assert buyer.stripe.get(f"payment_intents/{made.json()['external_payment_id']}")["customer"] == second != first
