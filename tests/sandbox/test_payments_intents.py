"""Payment intents and the test cards that decide them."""

from typing import Any

import pytest
import stripe

from tests.sandbox.conftest import Sandbox

NO_REDIRECTS: Any = {"enabled": True, "allow_redirects": "never"}


def pay(sandbox: Sandbox, method: str, **more: Any) -> Any:
    """Create and confirm a payment of 19.99 USD."""
    wanted = {"amount": 1999, "currency": "usd", "payment_method": method, "confirm": True}
    return sandbox.client.v1.payment_intents.create({**wanted, "automatic_payment_methods": NO_REDIRECTS, **more})


def test_a_good_card_pays_and_says_so_in_order(sandbox: Sandbox) -> None:
    intent = pay(sandbox, "pm_card_visa", metadata={"order": "1"})

    charge = sandbox.client.v1.charges.retrieve(str(intent.latest_charge), {"expand": ["balance_transaction"]})
    assert (intent.status, intent.amount_received) == ("succeeded", 1999)
    assert (charge.status, charge.paid, charge.metadata["order"]) == ("succeeded", True, "1")
    assert (charge.balance_transaction.fee, charge.balance_transaction.net) == (88, 1911)
    assert sandbox.deliver() == ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded"]


@pytest.mark.parametrize(
    ("method", "code", "decline_code"),
    [
        ("pm_card_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", None),
        ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", None),
        ("pm_card_chargeDeclinedProcessingError", "processing_error", None),
        ("pm_card_chargeCustomerFail", "card_declined", "generic_decline"),
    ],
)
def test_a_refused_card_leaves_a_failed_charge(
    sandbox: Sandbox, method: str, code: str, decline_code: str | None
) -> None:
    with pytest.raises(stripe.CardError) as refusal:
        pay(sandbox, method)

    told: Any = refusal.value.error
    assert refusal.value.http_status == 402
    assert (told.code, told.decline_code) == (code, decline_code)
    intent = sandbox.client.v1.payment_intents.list({"expand": ["data.latest_charge"]}).data[0]
    assert (intent.status, intent.payment_method) == ("requires_payment_method", None)
    assert intent.last_payment_error is not None
    assert intent.last_payment_error.charge == intent.latest_charge.id
    assert intent.latest_charge.failure_code == code
    assert sandbox.deliver() == ["payment_intent.created", "charge.failed", "payment_intent.payment_failed"]


def test_one_intent_can_fail_and_then_succeed(sandbox: Sandbox) -> None:
    with pytest.raises(stripe.CardError):
        pay(sandbox, "pm_card_chargeDeclined")
    failed = sandbox.client.v1.payment_intents.list().data[0]

    paid = sandbox.client.v1.payment_intents.confirm(failed.id, {"payment_method": "pm_card_visa"})

    assert (paid.status, paid.last_payment_error) == ("succeeded", None)
    assert len(sandbox.client.v1.charges.list({"payment_intent": paid.id}).data) == 2


def test_a_paid_intent_cannot_be_confirmed_or_canceled(sandbox: Sandbox) -> None:
    intent = pay(sandbox, "pm_card_visa")

    for call in (sandbox.client.v1.payment_intents.confirm, sandbox.client.v1.payment_intents.cancel):
        with pytest.raises(stripe.InvalidRequestError) as refusal:
            call(intent.id)
        assert refusal.value.code == "payment_intent_unexpected_state"


def test_the_bank_may_ask_the_buyer(sandbox: Sandbox) -> None:
    waiting = pay(sandbox, "pm_card_authenticationRequired", return_url="https://shop.example/back")

    page = waiting.next_action.redirect_to_url.url
    sandbox.control(f"3ds/{waiting.id}", success=True)

    paid = sandbox.client.v1.payment_intents.retrieve(waiting.id, {"expand": ["latest_charge"]})
    assert (waiting.status, page) == ("requires_action", f"{sandbox.url}/3ds/{waiting.id}")
    assert paid.status == "succeeded"
    assert paid.latest_charge.payment_method_details.card.three_d_secure.result == "authenticated"


def test_a_buyer_who_refuses_at_the_bank_does_not_pay(sandbox: Sandbox) -> None:
    waiting = pay(sandbox, "pm_card_authenticationRequired")

    sandbox.control(f"3ds/{waiting.id}", success=False)

    failed = sandbox.client.v1.payment_intents.retrieve(waiting.id)
    assert failed.status == "requires_payment_method"
    assert failed.last_payment_error.code == "payment_intent_authentication_failure"


def test_off_session_the_bank_refuses_instead_of_asking(sandbox: Sandbox) -> None:
    with pytest.raises(stripe.CardError) as refusal:
        pay(sandbox, "pm_card_authenticationRequired", off_session=True)

    assert refusal.value.code == "authentication_required"


def test_a_card_that_was_set_up_pays_off_session(sandbox: Sandbox) -> None:
    customer = sandbox.client.v1.customers.create({})
    first = pay(
        sandbox, "pm_card_authenticationRequiredOnSetup", customer=customer.id, setup_future_usage="off_session"
    )
    sandbox.control(f"3ds/{first.id}", success=True)
    kept = sandbox.client.v1.customers.payment_methods.list(customer.id).data[0]

    later = pay(sandbox, kept.id, customer=customer.id, off_session=True)

    assert later.status == "succeeded"


def test_money_can_be_held_and_taken_later(sandbox: Sandbox) -> None:
    held = pay(sandbox, "pm_card_visa", capture_method="manual")

    taken = sandbox.client.v1.payment_intents.capture(held.id, {"amount_to_capture": 1500})

    assert (held.status, held.amount_capturable) == ("requires_capture", 1999)
    assert (taken.status, taken.amount_received) == ("succeeded", 1500)


def test_held_money_can_be_let_go(sandbox: Sandbox) -> None:
    held = pay(sandbox, "pm_card_visa", capture_method="manual")

    ended = sandbox.client.v1.payment_intents.cancel(held.id, {"cancellation_reason": "requested_by_customer"})

    assert (ended.status, ended.cancellation_reason) == ("canceled", "requested_by_customer")
    assert sandbox.client.v1.balance_transactions.list().data == []


@pytest.mark.parametrize(
    ("amount", "currency", "code"),
    [
        (49, "usd", "amount_too_small"),
        (49, "jpy", "amount_too_small"),
        (100_000_000, "usd", "amount_too_large"),
        (1234, "kwd", "parameter_invalid_integer"),
        (150, "ugx", "parameter_invalid_integer"),
    ],
)
def test_an_amount_that_cannot_be_charged_is_refused(sandbox: Sandbox, amount: int, currency: str, code: str) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        sandbox.client.v1.payment_intents.create({"amount": amount, "currency": currency})

    assert refusal.value.code == code


def test_an_unknown_currency_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="Invalid currency: xyz"):
        sandbox.client.v1.payment_intents.create({"amount": 500, "currency": "xyz"})


def test_a_payment_method_of_somebody_else_cannot_be_used(sandbox: Sandbox) -> None:
    owner = sandbox.client.v1.customers.create({"payment_method": "pm_card_visa"})
    theirs = sandbox.client.v1.customers.payment_methods.list(owner.id).data[0]

    with pytest.raises(stripe.InvalidRequestError, match="belongs to a Customer"):
        pay(sandbox, theirs.id)


def test_redirects_need_a_place_to_return_to(sandbox: Sandbox) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="return_url"):
        sandbox.client.v1.payment_intents.create(
            {"amount": 500, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True}
        )


def test_the_balance_is_the_sum_of_what_moved(sandbox: Sandbox) -> None:
    pay(sandbox, "pm_card_visa")
    pending = sandbox.client.v1.balance.retrieve()
    sandbox.advance(days=3)
    available = sandbox.client.v1.balance.retrieve()

    assert (pending.pending[0].amount, pending.available[0].amount) == (1911, 0)
    assert (available.pending[0].amount, available.available[0].amount) == (0, 1911)
