"""What a customer pays with: Stripe's ids and what a person may see of a card, one default, and nobody else's."""

from __future__ import annotations

import io
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from billing import customers, janitor, payment_methods
from billing.customer_errors import PaymentMethodBusy
from billing.errors import CardDeclined, StripeUnknown
from billing.idempotency import Asking
from billing.models import CardSetup, Customer, PaymentMethod
from billing.transactions import whole
from events import clock
from events.models import Event
from tests.api import api, places
from tests.buyer import Buyer
from tests.stripe_side import StripeSide

V1 = "/api/v1"


def call(method: str, path: str, body: Any = None, *, user: str = "anna", role: str = "user", key: str = "") -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    raw = json.dumps(body or {}).encode() if method != "GET" else b""
    return api(user, role).generic(method, f"{V1}/{path}", raw, content_type="application/json", headers=headers)


def add(reference: str = "pm_card_visa", **asked: Any) -> Any:
    return call("POST", "payment-methods", {"payment_method_id": reference}, **asked)


def card(number: str = "visa", user: str = "anna") -> PaymentMethod:
    asking = Asking.of(f"user:{user}", None, {})
    return payment_methods.attach(user, f"pm_card_{number}", asking=asking)[0]


def free_method(stripe: StripeSide, number: str = "4242424242424242") -> str:
    """Make what Stripe.js makes in a browser: a method that nobody has yet."""
    asked = {"type": "card", "card[number]": number, "card[exp_month]": 8, "card[exp_year]": 2030, "card[cvc]": "123"}
    return str(stripe.post("payment_methods", **asked)["id"])


def break_stripe(stripe: StripeSide, path: str, fault: str, times: int = 99) -> None:
    stripe.control("faults", path=path, method="POST", fault=fault, times=times)


def mend(stripe: StripeSide) -> None:
    stripe.http.delete("/_sandbox/faults")


def cards_there(stripe: StripeSide) -> list[str]:
    customer = Customer.objects.get(user_id="anna")
    return [one["id"] for one in stripe.get("payment_methods", customer=customer.stripe_id)["data"]]


def told(kind: str) -> int:
    return Event.objects.filter(type=f"payment_method.{kind}").count()


def test_a_method_is_attached_and_listed(buyer: Buyer) -> None:
    """PM-01, PM-02, PM-05, PM-06: only Stripe's id, and what a person may see of the card."""
    method_id = free_method(buyer.stripe)

    answer = add(method_id, key="k-1")

    assert answer.status_code == 201
    shown = answer.json()
    assert {name: shown[name] for name in ("stripe_payment_method_id", "brand", "last4", "card_country")} == {
        "stripe_payment_method_id": method_id,
        "brand": "visa",
        "last4": "4242",
        "card_country": "US",
    }
    assert (shown["exp_month"], shown["exp_year"], shown["method_type"]) == (8, 2030, "card")
    assert "fingerprint" not in answer.content.decode()
    assert call("GET", "users/anna/payment-methods").json()["data"] == [shown]
    assert cards_there(buyer.stripe) == [method_id]
    again = add(method_id, key="k-1")
    assert (again.headers["Idempotent-Replayed"], again.json()["id"]) == ("true", shown["id"])
    assert add(free_method(buyer.stripe), key="k-1").status_code == 422


def test_what_happened_once_is_told_once(buyer: Buyer) -> None:
    """The answer and the events say the same, in any order and number."""
    add()
    buyer.stripe.deliver(times=3, shuffled=5)

    assert PaymentMethod.objects.count() == 1
    assert told("attached") == 1


def test_a_setup_gives_a_secret_that_is_nowhere_kept(buyer: Buyer) -> None:
    """PM-01: the buyer leaves a card at Stripe by the secret; then it is his."""
    opened = call("POST", "payment-methods/setup", key="k-1")
    again = call("POST", "payment-methods/setup", key="k-1")

    assert (opened.status_code, again.headers["Idempotent-Replayed"]) == (201, "true")
    assert again.json() == opened.json()
    secret, seti = opened.json()["client_secret"], opened.json()["setup_intent_id"]
    assert secret.startswith(f"{seti}_secret_")
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM billing_cardsetup s WHERE s::text LIKE %s", [f"%{secret}%"])
        assert cursor.fetchone() == (0,)
    early = add(seti)
    assert (early.status_code, early.json()["code"]) == (409, "setup_not_done")

    buyer.stripe.post(f"setup_intents/{seti}/confirm", payment_method="pm_card_in")

    answer = add(seti)
    assert (answer.status_code, answer.json()["card_country"]) == (201, "IN")
    assert not Event.objects.filter(data__icontains=secret).exists()


def test_a_finished_setup_arrives_by_its_event_alone(buyer: Buyer) -> None:
    """`setup_intent.succeeded` and `payment_method.attached`: a browser that never came back loses nothing."""
    seti = call("POST", "payment-methods/setup").json()["setup_intent_id"]
    buyer.stripe.post(f"setup_intents/{seti}/confirm", payment_method="pm_card_visa")

    buyer.stripe.deliver(times=2, shuffled=1)

    assert PaymentMethod.objects.get().attached_at
    assert told("attached") == 1


def test_a_declined_card_is_a_402_that_names_the_code(buyer: Buyer) -> None:
    """A definite no of the bank's: nothing stays, and another card may be tried under the same key."""
    answer = add("pm_card_chargeDeclinedInsufficientFunds", key="k-1")

    assert (answer.status_code, answer.json()["code"]) == (402, "card_declined")
    assert "insufficient_funds" in answer.json()["detail"]
    assert not PaymentMethod.objects.exists()


@pytest.mark.parametrize(
    ("number", "shown"),
    [("4000000000009979", "generic_decline"), ("4000000000009987", "generic_decline"), ("4000000000000069", "expired")],
)
def test_a_thief_does_not_learn_that_he_was_seen(buyer: Buyer, number: str, shown: str) -> None:
    """Codes of stolen and lost cards look like any other decline."""
    with pytest.raises(CardDeclined, match=shown):
        payment_methods.attach("anna", free_method(buyer.stripe, number), asking=Asking.of("user:anna", None, {}))


def test_somebody_else_s_method_is_as_one_that_never_was(buyer: Buyer) -> None:
    """API1:2023: the refusal does not say whose it is, nor that it is."""
    theirs = card(user="ben")

    foreign, absent = add(theirs.stripe_id), add("pm_never_was")

    assert [foreign.status_code, absent.status_code] == [409, 409]
    assert foreign.json()["code"] == absent.json()["code"] == "payment_method_not_usable"
    assert places(foreign) == places(absent) == ["#/payment_method_id"]
    said = foreign.json()["detail"].replace(theirs.stripe_id, "pm_never_was")
    assert said == absent.json()["detail"]
    assert call("DELETE", f"payment-methods/{theirs.pk}").status_code == 404
    assert call("POST", f"payment-methods/{theirs.pk}/default").status_code == 404
    assert call("GET", "users/ben/payment-methods").status_code == 404


def test_somebody_else_s_setup_is_refused(buyer: Buyer) -> None:
    """A setup belongs to whom it was opened for."""
    seti = call("POST", "payment-methods/setup", user="ben").json()["setup_intent_id"]
    buyer.stripe.post(f"setup_intents/{seti}/confirm", payment_method="pm_card_visa")

    assert add(seti).json()["code"] == "payment_method_not_usable"


@pytest.mark.parametrize("wrong", ["4242424242424242", "tok_visa", "pm_", "seti_x/../y", ""])
def test_only_ids_come_in(books: None, stripe_side: StripeSide, wrong: str) -> None:
    """PM-05: a card number is refused at the door, and goes nowhere."""
    answer = add(wrong)

    assert (answer.status_code, places(answer)) == (400, ["#/payment_method_id"])
    assert "4242" not in answer.content.decode()


@pytest.mark.parametrize("fault", ["500", "429", "drop_reply", "drop_before", "error_stored"])
def test_an_attach_without_an_answer_is_settled_by_the_janitor(buyer: Buyer, fault: str) -> None:
    """Unknown is no failure: 503, the row waits, and Stripe is asked what became of it."""
    method_id = free_method(buyer.stripe)
    break_stripe(buyer.stripe, "/attach$", fault)

    answer = add(method_id, key="k-1")

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert call("GET", "users/anna/payment-methods").json()["data"] == []
    mend(buyer.stripe)
    janitor.settle_unknown(at=clock.now() + timedelta(minutes=2))
    assert cards_there(buyer.stripe) == [method_id]
    assert add(method_id, key="k-1").json()["attached_at"]
    assert told("attached") == 1


def test_the_client_may_find_out_by_the_same_key(buyer: Buyer) -> None:
    """The row is the recovery point."""
    break_stripe(buyer.stripe, "/attach$", "drop_reply")
    method_id = free_method(buyer.stripe)
    add(method_id, key="k-1")
    mend(buyer.stripe)

    answer = add(method_id, key="k-1")

    assert (answer.status_code, answer.headers["Idempotent-Replayed"]) == (201, "true")
    assert PaymentMethod.objects.get().attached_at


def test_what_nobody_waits_for_any_more_is_given_up(buyer: Buyer) -> None:
    """No row waits for ever, and a card is not attached a day after somebody wanted it."""
    break_stripe(buyer.stripe, "/attach$", "drop_before")
    add(free_method(buyer.stripe))
    mend(buyer.stripe)

    janitor.settle_unknown(at=clock.now() + timedelta(hours=25))

    assert not PaymentMethod.objects.exists()
    assert cards_there(buyer.stripe) == []


def test_sixteen_attach_one_method_once(buyer: Buyer) -> None:
    """Half of them another user's: one customer has it, and the others are told that they cannot."""
    method_id, gate = free_method(buyer.stripe), threading.Barrier(16)
    for user in ("anna", "ben"):
        customers.at_stripe(customers.of_user(user, at=clock.now()))

    def attach(number: int) -> tuple[str, int]:
        user = ("anna", "ben")[number % 2]
        gate.wait()
        try:
            return user, add(method_id, user=user, key=f"k-{number}").status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(attach, range(16)))

    winner = PaymentMethod.objects.get().customer.user_id
    assert {status for user, status in answers if user == winner} <= {201, 409, 503}
    assert 201 in {status for _, status in answers}
    assert {status for user, status in answers if user != winner} <= {409, 503}
    assert told("attached") == 1


def test_a_method_is_made_the_default_for_all_that_recurs(buyer: Buyer) -> None:
    """PM-04: the customer's, and that of a subscription bought on Stripe's page, which has its own."""
    subscription = buyer.subscribe()
    new = card("mastercard")

    for _ in range(2):
        answer = call("POST", f"payment-methods/{new.pk}/default")
        assert (answer.status_code, answer.json()["is_default"]) == (200, True)

    customer = buyer.stripe.get(f"customers/{buyer.customer.stripe_id}")
    assert customer["invoice_settings"]["default_payment_method"] == new.stripe_id
    assert buyer.stripe.get(f"subscriptions/{subscription.stripe_id}")["default_payment_method"] == new.stripe_id
    assert told("made_default") == 1
    buyer.stripe.deliver()
    assert PaymentMethod.objects.filter(is_default=True).count() == 1


def test_a_default_set_at_stripe_is_learned(buyer: Buyer) -> None:
    """`customer.updated`: also one whose own event was lost."""
    customer = customers.of_user("anna", at=clock.now())
    cus = customers.at_stripe(customer)
    seen = buyer.stripe.post("payment_methods/pm_card_visa/attach", customer=cus)["id"]
    buyer.stripe.new_events()
    buyer.stripe.post(f"customers/{cus}", **{"invoice_settings[default_payment_method]": seen})

    buyer.stripe.deliver()

    assert PaymentMethod.objects.get(is_default=True).stripe_id == seen


def test_what_pays_for_a_live_subscription_is_not_removed(buyer: Buyer) -> None:
    """PM-03: 409 until another one is the default; then it goes."""
    buyer.subscribe()
    paying = PaymentMethod.objects.get()

    refused = call("DELETE", f"payment-methods/{paying.pk}")
    assert (refused.status_code, refused.json()["code"]) == (409, "payment_method_in_use")

    call("POST", f"payment-methods/{card('mastercard').pk}/default")
    removed = call("DELETE", f"payment-methods/{paying.pk}")
    assert removed.status_code == 200
    assert removed.json()["detached_at"]
    assert len(call("GET", "users/anna/payment-methods").json()["data"]) == 1


def test_a_removed_method_is_gone_for_good(buyer: Buyer) -> None:
    """PM-03: once, twice, and it can be neither default nor attached again."""
    method = card()
    payment_methods.make_default(method)

    answers = [call("DELETE", f"payment-methods/{method.pk}") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json()["detached_at"] == answers[1].json()["detached_at"]
    assert not answers[1].json()["is_default"]
    assert cards_there(buyer.stripe) == []
    assert told("detached") == 1
    default = call("POST", f"payment-methods/{method.pk}/default")
    assert (default.status_code, default.json()["code"]) == (409, "payment_method_gone")


@pytest.mark.parametrize("fault", ["500", "drop_reply", "drop_before"])
def test_a_removal_without_an_answer_may_be_repeated(buyer: Buyer, fault: str) -> None:
    """Stripe may have done it already: then it says so, and the row follows."""
    method = card()
    break_stripe(buyer.stripe, "/detach$", fault)
    assert call("DELETE", f"payment-methods/{method.pk}").status_code == 503
    mend(buyer.stripe)

    assert call("DELETE", f"payment-methods/{method.pk}").json()["detached_at"]
    assert told("detached") == 1


def test_a_method_removed_at_stripe_is_gone_here(buyer: Buyer) -> None:
    """`payment_method.detached`, doubled and shuffled."""
    method = card()
    payment_methods.make_default(method)
    buyer.stripe.post(f"payment_methods/{method.stripe_id}/detach")

    buyer.stripe.deliver(times=2, shuffled=2)

    method.refresh_from_db()
    assert (method.detached_at is not None, method.is_default) == (True, False)
    assert told("detached") == 1


def test_a_card_renewed_by_its_bank_is_shown_as_it_is(buyer: Buyer) -> None:
    """`payment_method.updated`."""
    method = card()
    buyer.stripe.post(f"payment_methods/{method.stripe_id}", **{"card[exp_month]": "2", "card[exp_year]": "2031"})

    buyer.stripe.deliver()

    method.refresh_from_db()
    assert (method.exp_month, method.exp_year) == (2, 2031)


def test_older_looks_change_nothing(buyer: Buyer) -> None:
    """A look that began before the last one is out of date."""
    before = clock.now()
    method = card()
    found = buyer.stripe.get(f"payment_methods/{method.stripe_id}")

    whole(payment_methods.settle)({**found, "customer": None}, looked_at=before)

    method.refresh_from_db()
    assert method.detached_at is None


def test_one_change_at_a_time(buyer: Buyer) -> None:
    """What one makes the default another cannot take away at the same moment."""
    method = card()

    with payment_methods._alone(method.stripe_customer), pytest.raises(PaymentMethodBusy):
        payment_methods.remove(method)

    assert payment_methods.remove(method).detached_at


def test_one_card_has_one_fingerprint_whoever_uses_it(buyer: Buyer) -> None:
    """The fingerprint is sealed, and found by its index."""
    mine, theirs, other = card(), card(user="ben"), card("mastercard", user="ben")

    assert mine.fingerprint == theirs.fingerprint != other.fingerprint
    assert mine.fingerprint_index == theirs.fingerprint_index != other.fingerprint_index
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM billing_paymentmethod m WHERE m::text LIKE %s", [f"%{mine.fingerprint}%"])
        assert cursor.fetchone() == (0,)


def test_a_card_for_another_currency_goes_to_its_customer(buyer: Buyer) -> None:
    """A subscription in euros beside one in dollars is paid by a card that the second Stripe customer has."""
    customer = customers.of_user("anna", at=clock.now())
    dollars = customers.at_stripe(customer, "usd")

    answer = call("POST", "payment-methods", {"payment_method_id": "pm_card_visa", "currency": "EUR"})

    assert answer.status_code == 201
    method = PaymentMethod.objects.get()
    assert method.stripe_customer.stripe_id == customers.at_stripe(customer, "eur") != dollars


def test_a_setup_that_stripe_answers_with_its_old_500_is_opened_anew(buyer: Buyer) -> None:
    """The key of the first try is good for a day of the same 500: two minutes later it gets another."""
    break_stripe(buyer.stripe, "^/v1/setup_intents$", "error_stored", times=1)
    answers = [call("POST", "payment-methods/setup", key="k-1").status_code for _ in range(2)]
    assert answers == [503, 503]

    CardSetup.objects.update(created_at=clock.now() - timedelta(minutes=3))

    assert call("POST", "payment-methods/setup", key="k-1").json()["client_secret"]


def test_support_sees_the_card_and_not_the_id(buyer: Buyer) -> None:
    """R masked."""
    card()

    (shown,) = call("GET", "users/anna/payment-methods", user="sue", role="support").json()["data"]

    assert shown["stripe_payment_method_id"].startswith("pm_***")
    assert shown["last4"] == "4242"


def test_the_cards_of_an_erased_person_say_nothing(buyer: Buyer) -> None:
    """A later event brings nothing back."""
    method = card()
    call_command("erase_person", user="anna", reason="ticket 7", stdout=io.StringIO())
    buyer.stripe.deliver()

    method.refresh_from_db()

    assert (method.last4, method.fingerprint, method.fingerprint_index, method.exp_year) == ("", "", "", None)


def test_a_stripe_that_is_away_is_a_503(buyer: Buyer) -> None:
    """Nothing is made, and nothing is known to have failed."""
    buyer.stripe.control("faults", path="^/v1/payment_methods", method="GET", fault="500", times=9)

    with pytest.raises(StripeUnknown):
        payment_methods.attach("anna", "pm_1", asking=Asking.of("user:anna", None, {}))

    assert not PaymentMethod.objects.exists()
