"""Checkout: the session, the hosted page, and what follows when a buyer pays, does not, or cannot."""

from typing import Any

import pytest
import requests
import stripe

from tests.sandbox.conftest import Sandbox

BUYER = {
    "email": "buyer@example.com",
    "card_number": "4242 4242 4242 4242",
    "expiry": "12 / 40",
    "cvc": "123",
    "country": "IN",
}
DECLINED = {**BUYER, "card_number": "4000 0000 0000 9995"}
ASKING = {**BUYER, "card_number": "4000 0025 0000 3155"}


def session_for(sandbox: Sandbox, mode: str = "payment", **more: Any) -> Any:
    """Open a session for a price of 19.99 USD."""
    product = sandbox.client.v1.products.create({"name": "Pro"})
    recurring: Any = {"recurring": {"interval": "month"}} if mode == "subscription" else {}
    price = sandbox.client.v1.prices.create(
        {"product": product.id, "unit_amount": 1999, "currency": "usd", **recurring}
    )
    lines: Any = {} if mode == "setup" else {"line_items": [{"price": price.id, "quantity": 1}]}
    return sandbox.client.v1.checkout.sessions.create(
        {"mode": mode, "success_url": "https://shop.example/ok?s={CHECKOUT_SESSION_ID}", **lines, **more}
    )


def submit(session: Any, form: dict[str, str]) -> requests.Response:
    """Send the hosted page's form."""
    return requests.post(str(session.url), data=form, allow_redirects=False, timeout=30)


def again(sandbox: Sandbox, session: Any, *expand: str) -> Any:
    """Look at a session again."""
    return sandbox.client.v1.checkout.sessions.retrieve(session.id, {"expand": list(expand)})


def test_no_payment_intent_exists_before_a_buyer_submits(sandbox: Sandbox) -> None:
    session = session_for(sandbox)

    assert (session.status, session.payment_status, session.payment_intent) == ("open", "unpaid", None)
    assert session.amount_total == 1999
    assert sandbox.client.v1.payment_intents.list().data == []


def test_the_page_shows_what_is_bought_and_labels_every_field(sandbox: Sandbox) -> None:
    session = session_for(sandbox, customer_email="known@example.com", cancel_url="https://shop.example/back")

    page = requests.get(str(session.url), timeout=10).text

    assert "19.99 USD" in page
    assert "https://shop.example/back" in page
    assert 'value="known@example.com" readonly' in page
    assert "<script" not in page
    for field in ("email", "card_number", "expiry", "cvc", "country"):
        assert f'<label for="{field}">' in page
        assert f'id="{field}" name="{field}"' in page


def test_a_buyer_pays_and_is_sent_back_to_the_shop(sandbox: Sandbox) -> None:
    session = session_for(
        sandbox, client_reference_id="user-7", metadata={"a": "1"}, payment_intent_data={"metadata": {"b": "2"}}
    )
    sandbox.deliver()

    answer = submit(session, BUYER)

    paid = again(sandbox, session, "payment_intent.latest_charge")
    intent = paid.payment_intent
    assert (answer.status_code, answer.headers["Location"]) == (303, f"https://shop.example/ok?s={session.id}")
    assert (paid.status, paid.payment_status, paid.url) == ("complete", "paid", None)
    assert (paid.client_reference_id, paid.metadata["a"], intent.metadata["b"]) == ("user-7", "1", "2")
    assert paid.customer_details.email == "buyer@example.com"
    assert paid.customer_details.address.country == "IN"
    assert intent.latest_charge.billing_details.email == "buyer@example.com"
    assert sandbox.deliver() == [
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
        "checkout.session.completed",
    ]


def test_a_refusal_is_shown_and_the_buyer_may_pay_again(sandbox: Sandbox) -> None:
    session = session_for(sandbox)

    refused = submit(session, DECLINED)
    waiting = again(sandbox, session, "payment_intent")
    answer = submit(session, BUYER)

    assert refused.status_code == 402
    assert 'role="alert"' in refused.text
    assert "Your card has insufficient funds." in refused.text
    assert DECLINED["card_number"] not in refused.text
    assert (waiting.status, waiting.payment_intent.status) == ("open", "requires_payment_method")
    assert answer.status_code == 303
    assert again(sandbox, session).payment_intent == waiting.payment_intent.id


@pytest.mark.parametrize("wrong", [{"card_number": "1234"}, {"expiry": "soon"}, {"cvc": "x"}, {"email": ""}])
def test_a_form_that_cannot_be_is_shown_again_and_leaves_nothing(sandbox: Sandbox, wrong: dict[str, str]) -> None:
    session = session_for(sandbox)

    answer = submit(session, {**BUYER, **wrong})

    assert answer.status_code in {400, 402}
    assert 'role="alert"' in answer.text
    assert sandbox.client.v1.charges.list().data == []


def test_what_a_buyer_types_is_escaped(sandbox: Sandbox) -> None:
    session = session_for(sandbox)

    answer = submit(session, {**DECLINED, "name": '"><script>alert(1)</script>'})

    assert "<script" not in answer.text


def test_the_bank_may_ask_before_the_session_completes(sandbox: Sandbox) -> None:
    session = session_for(sandbox)
    bank = submit(session, ASKING).headers["Location"]

    page = requests.get(bank, timeout=10)
    refused = requests.post(bank, data={"result": "fail"}, timeout=10)
    bank_again = submit(session, ASKING).headers["Location"]
    back = requests.post(bank_again, data={"result": "complete"}, allow_redirects=False, timeout=10)
    shop = requests.get(back.headers["Location"], allow_redirects=False, timeout=10)

    assert "Confirm" in page.text
    assert "unable to authenticate" in refused.text
    assert shop.headers["Location"] == f"https://shop.example/ok?s={session.id}"
    assert again(sandbox, session).payment_status == "paid"


def test_the_control_endpoint_does_what_the_form_does(sandbox: Sandbox) -> None:
    session = session_for(sandbox)

    paid = sandbox.control(f"checkout/{session.id}/pay", card="4000003560000008", email="a@example.com", country="IN")

    intent = again(sandbox, session, "payment_intent.latest_charge").payment_intent
    assert paid["session"]["status"] == "complete"
    assert intent.latest_charge.payment_method_details.card.country == "IN"


def test_a_paid_session_cannot_be_paid_again(sandbox: Sandbox) -> None:
    session = session_for(sandbox)
    page = session.url
    submit(session, BUYER)

    answer = requests.post(str(page), data=BUYER, allow_redirects=False, timeout=10)

    assert "This has been paid" in answer.text
    assert len(sandbox.client.v1.charges.list().data) == 1


def test_an_unpaid_session_expires_after_its_time(sandbox: Sandbox) -> None:
    session = session_for(sandbox)
    page = str(session.url)
    sandbox.deliver()

    sandbox.advance(seconds=24 * 3600 + 1)

    assert again(sandbox, session).status == "expired"
    assert sandbox.deliver() == ["checkout.session.expired"]
    assert requests.get(page, timeout=10).status_code == 410


def test_a_session_is_expired_on_request_once(sandbox: Sandbox) -> None:
    session = session_for(sandbox)

    assert sandbox.client.v1.checkout.sessions.expire(session.id).status == "expired"
    with pytest.raises(stripe.InvalidRequestError, match="can be expired"):
        sandbox.client.v1.checkout.sessions.expire(session.id)


def test_the_payment_that_waits_for_a_bank_ends_with_its_session(sandbox: Sandbox) -> None:
    """What Stripe says of canceling an intent: that of a session is ended by expiring the session."""
    session = session_for(sandbox)
    submit(session, ASKING)
    sandbox.deliver()

    sandbox.client.v1.checkout.sessions.expire(session.id)

    intent = again(sandbox, session, "payment_intent").payment_intent
    assert (intent.status, intent.cancellation_reason) == ("canceled", "expired")
    assert sandbox.deliver() == ["checkout.session.expired", "payment_intent.canceled"]


def test_an_expiry_lies_between_30_minutes_and_24_hours(sandbox: Sandbox) -> None:
    now = sandbox.read("clock")["now"]

    assert session_for(sandbox, expires_at=now + 3600).expires_at == now + 3600
    for wrong in (now + 60, now + 25 * 3600):
        with pytest.raises(stripe.InvalidRequestError) as refusal:
            session_for(sandbox, expires_at=wrong)
        assert refusal.value.param == "expires_at"


def test_line_items_show_the_whole_price(sandbox: Sandbox) -> None:
    session = session_for(sandbox)

    line = sandbox.client.v1.checkout.sessions.line_items.list(session.id).data[0]

    assert (line.description, line.quantity, line.amount_total) == ("Pro", 1, 1999)
    assert line.price is not None
    assert line.price.unit_amount == 1999


def test_a_price_may_be_made_in_the_session(sandbox: Sandbox) -> None:
    session = sandbox.client.v1.checkout.sessions.create(
        {
            "mode": "payment",
            "success_url": "https://shop.example",
            "line_items": [
                {
                    "price_data": {"currency": "jpy", "unit_amount": 500, "product_data": {"name": "Pro"}},
                    "quantity": 3,
                }
            ],
        }
    )

    assert (session.currency, session.amount_total) == ("jpy", 1500)


@pytest.mark.parametrize(
    ("mode", "more", "param"),
    [
        ("payment", {"line_items": ""}, "line_items"),
        ("payment", {"success_url": ""}, "success_url"),
        ("payment", {"subscription_data": {"metadata": {"a": "b"}}}, "subscription_data"),
        ("setup", {"payment_intent_data": {"metadata": {"a": "b"}}}, "payment_intent_data"),
    ],
)
def test_a_session_that_cannot_be_is_refused(sandbox: Sandbox, mode: str, more: dict[str, Any], param: str) -> None:
    wanted = {key: value for key, value in more.items() if value}
    lines: Any = {} if mode == "setup" or "line_items" in more else {"line_items": [_line()]}
    success = {} if "success_url" in more else {"success_url": "https://shop.example"}

    with pytest.raises(stripe.InvalidRequestError) as refusal:
        sandbox.client.v1.checkout.sessions.create({"mode": mode, **lines, **success, **wanted})

    assert refusal.value.param == param


def test_a_recurring_price_is_no_one_time_payment_and_the_other_way_round(sandbox: Sandbox) -> None:
    recurring = {"price_data": {**_line()["price_data"], "recurring": {"interval": "month"}}, "quantity": 1}

    for mode, line in (("payment", recurring), ("subscription", _line())):
        with pytest.raises(stripe.InvalidRequestError) as refusal:
            sandbox.client.v1.checkout.sessions.create(
                {"mode": mode, "success_url": "https://shop.example", "line_items": [line]}
            )
        assert refusal.value.param == "mode"


def test_a_customer_is_made_when_the_session_asks_for_one(sandbox: Sandbox) -> None:
    session = session_for(sandbox, customer_creation="always")

    submit(session, BUYER)

    paid = again(sandbox, session, "customer", "payment_intent")
    assert paid.customer.email == "buyer@example.com"
    assert paid.payment_intent.customer == paid.customer.id


def test_a_setup_session_keeps_a_card_for_its_customer(sandbox: Sandbox) -> None:
    customer = sandbox.client.v1.customers.create({"email": "a@example.com"})
    session = session_for(sandbox, "setup", customer=customer.id, currency="usd")

    submit(session, BUYER)

    done = again(sandbox, session, "setup_intent")
    assert (done.status, done.payment_status) == ("complete", "no_payment_required")
    assert done.setup_intent.status == "succeeded"
    assert len(sandbox.client.v1.customers.payment_methods.list(customer.id).data) == 1


def test_a_subscription_session_starts_a_paid_subscription(sandbox: Sandbox) -> None:
    customer = sandbox.client.v1.customers.create({"email": "a@example.com"})
    session = session_for(
        sandbox, "subscription", customer=customer.id, subscription_data={"metadata": {"plan": "pro"}}
    )
    sandbox.deliver()

    submit(session, BUYER)

    done = again(sandbox, session, "subscription", "invoice")
    assert (done.status, done.payment_status, done.payment_intent) == ("complete", "paid", None)
    assert (done.subscription.status, done.subscription.metadata["plan"]) == ("active", "pro")
    assert done.invoice.status == "paid"
    types = sandbox.deliver()
    assert types[-1] == "checkout.session.completed"
    assert {"customer.subscription.created", "invoice.paid", "payment_intent.succeeded"} <= set(types)


def test_a_price_that_is_retired_meanwhile_or_made_in_the_session_is_still_sold(sandbox: Sandbox) -> None:
    retired = session_for(sandbox, "subscription")
    price = sandbox.client.v1.prices.list().data[0]
    sandbox.client.v1.prices.update(price.id, {"active": False})
    made = sandbox.client.v1.checkout.sessions.create(
        {
            "mode": "subscription",
            "success_url": "https://shop.example",
            "line_items": [
                {"price_data": {**_line()["price_data"], "recurring": {"interval": "month"}}, "quantity": 2},
                _line(),
            ],
        }
    )

    answers = [submit(session, BUYER).status_code for session in (retired, made)]

    done = again(sandbox, made, "subscription", "invoice")
    assert answers == [303, 303]
    assert (made.amount_total, done.invoice.amount_paid, done.subscription.status) == (1500, 1500, "active")


def test_a_refused_card_sells_no_subscription(sandbox: Sandbox) -> None:
    session = session_for(sandbox, "subscription")

    refused = submit(session, DECLINED)
    nothing = sandbox.client.v1.subscriptions.list({"status": "all"}).data
    answer = submit(session, BUYER)

    assert (refused.status_code, nothing) == (402, [])
    assert answer.status_code == 303
    assert again(sandbox, session, "subscription").subscription.status == "active"


def test_a_subscription_may_wait_for_the_bank(sandbox: Sandbox) -> None:
    session = session_for(sandbox, "subscription")

    bank = submit(session, ASKING).headers["Location"]
    requests.post(bank, data={"result": "fail"}, timeout=10)
    bank_again = submit(session, ASKING).headers["Location"]
    back = requests.post(bank_again, data={"result": "complete"}, allow_redirects=False, timeout=10)
    shop = requests.get(back.headers["Location"], allow_redirects=False, timeout=10)

    done = again(sandbox, session, "subscription")
    assert (done.status, done.subscription.status) == ("complete", "active")
    assert shop.headers["Location"] == f"https://shop.example/ok?s={session.id}"


def test_a_trial_costs_nothing_today(sandbox: Sandbox) -> None:
    session = session_for(sandbox, "subscription", subscription_data={"trial_period_days": 7})

    submit(session, BUYER)

    done = again(sandbox, session, "subscription")
    assert (session.amount_total, done.payment_status) == (0, "no_payment_required")
    assert done.subscription.status == "trialing"


def _line() -> dict[str, Any]:
    return {"price_data": {"currency": "usd", "unit_amount": 500, "product_data": {"name": "Pro"}}, "quantity": 1}
