"""The doors of billing, over HTTP: right answers, clear refusals, and the same key brings the same thing."""

from __future__ import annotations

from typing import Any

import pytest

from billing.models import Checkout, Refund
from tests.api import api
from tests.buyer import Buyer
from tests.stripe_side import StripeSide

ORDER = {
    "plan_id": "premium-plan",
    "country_code": "IN",
    "success_url": "http://localhost:3000/done?s={CHECKOUT_SESSION_ID}",
    "cancel_url": "http://localhost:3000/back",
}


def order(client: Any = None, key: str = "", **changes: Any) -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    body = {name: value for name, value in {**ORDER, **changes}.items() if value is not None}
    return (client or api()).post("/api/v1/checkout-sessions", body, content_type="application/json", headers=headers)


def test_an_order_opens_a_page_at_our_price(books: None, stripe_side: StripeSide) -> None:
    """CO-01, PZ-09: plan, country and where to return, and the url to send the buyer to."""
    answer = order()

    assert answer.status_code == 201
    shown = answer.json()
    assert (shown["amount"], shown["amount_decimal"], shown["currency"], shown["zone"]) == (1200, "12.00", "USD", "C")
    assert (shown["status"], shown["mode"], shown["user_id"]) == ("open", "payment", "anna")
    assert shown["url"].startswith(stripe_side.url)


def test_the_same_key_brings_the_same_page(books: None, stripe_side: StripeSide) -> None:
    """Same key, same body: the same checkout, marked as a replay. Same key, other body: 422."""
    first, again, other = order(key="k-1"), order(key="k-1"), order(key="k-1", country_code="DE")

    assert (first.status_code, "Idempotent-Replayed" in first.headers) == (201, False)
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (201, "true")
    assert first.json() == again.json()
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert Checkout.objects.count() == 1


@pytest.mark.parametrize(
    ("changes", "status", "pointer"),
    [
        ({"plan_id": None}, 400, "#/plan_id"),
        ({"plan_id": "no such plan"}, 400, "#/plan_id"),
        ({"plan_id": "no-such-plan"}, 404, "#/plan_id"),
        ({"plan_id": "free"}, 400, "#/plan_id"),
        ({"country_code": "IND"}, 400, "#/country_code"),
        ({"country_code": 7}, 400, "#/country_code"),
        ({"success_url": "https://evil.example/"}, 400, "#/success_url"),
        ({"cancel_url": "https://evil.example/"}, 400, "#/cancel_url"),
        ({"success_url": "javascript:alert(1)"}, 400, "#/success_url"),
        ({"success_url": "http://localhost:3000@evil.example/"}, 400, "#/success_url"),
        ({"base_price": 2998}, 409, "#/base_price"),
        ({"base_price": "29.99"}, 400, "#/base_price"),
        ({"quote_id": "01900000-0000-7000-8000-000000000000"}, 409, "#/quote_id"),
        ({"quote_id": "x"}, 400, "#/quote_id"),
    ],
)
def test_a_wrong_order_is_told_which_field(
    books: None, stripe_side: StripeSide, changes: dict[str, Any], status: int, pointer: str
) -> None:
    """SE-08, ruling 25: every refusal names the field, and nothing is stored."""
    answer = order(**changes)

    assert answer.status_code == status, answer.content
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert not Checkout.objects.exists()


def test_the_right_base_price_is_accepted(books: None, stripe_side: StripeSide) -> None:
    """Ruling 25: the server's price wins; one that agrees does no harm."""
    assert order(base_price=2999).json()["amount"] == 1200


def test_a_quote_that_was_shown_is_the_price_that_is_charged(books: None, stripe_side: StripeSide) -> None:
    """The buyer pays what he saw, and not for another country."""
    quote = api().post(
        "/api/v1/quotes", {"plan_id": "premium-plan", "country_code": "IN"}, content_type="application/json"
    )
    quote_id = quote.json()["id"]

    assert order(quote_id=quote_id).json()["quote_id"] == quote_id
    assert order(quote_id=quote_id, country_code="DE").status_code == 409


def test_a_user_cannot_buy_for_another(books: None, stripe_side: StripeSide) -> None:
    """A foreign user is a 404; an admin may."""
    assert order(user_id="ben").status_code == 404
    assert order(api("root", "admin"), user_id="ben").json()["user_id"] == "ben"


def test_the_landing_page_shows_the_payment(buyer: Buyer) -> None:
    """CO-05, PA-03, PA-14: GET looks again at Stripe while the checkout is open."""
    shown = order().json()
    buyer.stripe.pay(shown["stripe_id"])

    landed = api().get(f"/api/v1/checkout-sessions/{shown['id']}").json()
    payment = api().get(f"/api/v1/payments/{landed['payment_id']}").json()

    assert landed["status"] == "complete"
    assert (payment["status"], payment["amount"], payment["method_type"]) == ("succeeded", 1200, "card")
    assert payment["external_payment_id"].startswith("pi_")


def test_lists_of_a_user_have_pages(buyer: Buyer) -> None:
    """PA-05, PA-06: limit and cursor; limit, offset and total."""
    for _ in range(3):
        buyer.order()

    first = api().get("/api/v1/users/anna/payments", {"limit": 2}).json()
    rest = api().get("/api/v1/users/anna/payments", {"limit": 2, "starting_after": first["next_cursor"]}).json()
    third = api("s", "service").get("/api/v1/payments", {"limit": 1, "offset": 2}).json()

    assert (len(first["data"]), first["has_more"]) == (2, True)
    assert (len(rest["data"]), rest["has_more"], rest["next_cursor"]) == (1, False, None)
    assert (third["total"], third["data"][0]["id"]) == (3, rest["data"][0]["id"])


@pytest.mark.parametrize(
    "query", [{"limit": 0}, {"limit": 101}, {"limit": "x"}, {"offset": -1}, {"starting_after": "x"}]
)
def test_a_wrong_page_is_told_which_field(books: None, query: dict[str, Any]) -> None:
    """SE-08."""
    answer = api().get("/api/v1/users/anna/payments", query)

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["parameter"] == next(iter(query))


@pytest.mark.parametrize("path", ["payments", "checkout-sessions", "subscriptions"])
def test_a_foreign_object_is_a_404(buyer: Buyer, path: str) -> None:
    """The same answer as for an absent one."""
    subscription = buyer.subscribe()
    ids = {
        "payments": buyer.payment.pk,
        "checkout-sessions": subscription.checkout_id,
        "subscriptions": subscription.pk,
    }

    assert api("anna").get(f"/api/v1/{path}/{ids[path]}").status_code == 200
    assert api("support", "support").get(f"/api/v1/{path}/{ids[path]}").status_code == 200
    assert api("ben").get(f"/api/v1/{path}/{ids[path]}").status_code == 404


def test_an_admin_refunds_by_either_name(buyer: Buyer) -> None:
    """RF-01, RF-04, ruling 13: payment_id or transaction_id."""
    buyer.buy()
    admin = api("root", "admin")

    part = admin.post(
        "/api/v1/refunds", {"transaction_id": str(buyer.payment.pk), "amount": 200}, content_type="application/json"
    )
    rest = admin.post("/api/v1/refunds", {"payment_id": str(buyer.payment.pk)}, content_type="application/json")
    more = admin.post("/api/v1/refunds", {"payment_id": str(buyer.payment.pk)}, content_type="application/json")

    assert (part.status_code, part.json()["status"], part.json()["amount"]) == (201, "succeeded", 200)
    assert rest.json()["amount"] == 1000
    assert more.status_code == 409
    assert Refund.objects.count() == 2
    assert api("anna").get(f"/api/v1/payments/{buyer.payment.pk}").json()["status"] == "refunded"
    assert len(api("anna").get(f"/api/v1/payments/{buyer.payment.pk}/refunds").json()["data"]) == 2


def test_a_subscription_is_cancelled_with_its_period_or_at_once(buyer: Buyer) -> None:
    """SU-02, SU-03, SU-04, ruling 27."""
    subscription = buyer.subscribe()
    path = f"/api/v1/subscriptions/{subscription.pk}"

    later = api().delete(path).json()
    now = api().delete(f"{path}?mode=immediate").json()
    again = api().delete(path)

    assert (later["status"], later["cancel_at_period_end"]) == ("active", True)
    assert now["status"] == "canceled"
    assert (again.status_code, again.json()["code"]) == (409, "subscription_not_live")
    assert [one["id"] for one in api().get("/api/v1/users/anna/subscriptions").json()["data"]] == [str(subscription.pk)]


def test_stripe_without_an_answer_is_503_with_when_to_ask_again(books: None, stripe_side: StripeSide) -> None:
    """An unknown result is not a failure."""
    stripe_side.control("faults", path="^/v1/checkout/sessions$", method="POST", fault="500", times=9)

    answer = order(key="k-1")

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert answer.json()["code"] == "stripe_unknown"


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/nothing"])
def test_an_unknown_path_is_a_problem(path: str) -> None:
    """RFC 9457 everywhere."""
    answer = api().get(path)

    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/problem+json")
