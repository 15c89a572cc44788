"""Cards: their countries, their numbers, and the customers they belong to."""

import csv
from typing import Any

import pytest
import stripe

from sandbox import countries
from tests.sandbox.conftest import Sandbox


def card(sandbox: Sandbox, number: str, **more: Any) -> Any:
    """Make a payment method of a card number."""
    details = {"number": number, "exp_month": 12, "exp_year": 2040, "cvc": "123", **more}
    return sandbox.client.v1.payment_methods.create({"type": "card", "card": details})


@pytest.mark.parametrize(
    ("number", "country"),
    [
        ("4242424242424242", "US"),
        ("4000003560000008", "IN"),
        ("4000002760000016", "DE"),
        ("4000003920000003", "JP"),
        ("4000000760000002", "BR"),
        ("4000004840008001", "MX"),
    ],
)
def test_a_card_of_stripes_list_is_from_its_country(sandbox: Sandbox, number: str, country: str) -> None:
    found = card(sandbox, number)

    assert found.card is not None
    assert (found.card.country, found.card.last4) == (country, number[-4:])


def test_every_country_has_a_good_visa(sandbox: Sandbox) -> None:
    found = {
        code: sandbox.client.v1.payment_methods.create({"type": "card", "card": {"token": f"tok_{code.lower()}"}})
        for code in countries.names()
    }

    assert len(found) == 249
    assert all(method.card and method.card.country == code for code, method in found.items())


def test_the_table_of_countries_holds_each_once() -> None:
    with countries.TABLE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))

    assert len({row["code"] for row in rows}) == len({row["number"] for row in rows}) == len(rows) == 249


def test_one_number_has_one_fingerprint(sandbox: Sandbox) -> None:
    first, again, other = (
        card(sandbox, number) for number in ("4242424242424242", "4242 4242 4242 4242", "4000056655665556")
    )

    assert first.card.fingerprint == again.card.fingerprint
    assert first.card.fingerprint != other.card.fingerprint


@pytest.mark.parametrize(
    ("details", "code"),
    [
        ({"number": "4242424242424241"}, "incorrect_number"),
        ({"number": "4929420573595709"}, "card_declined"),
        ({"exp_month": 13}, "invalid_expiry_month"),
        ({"exp_year": 2020}, "invalid_expiry_year"),
        ({"cvc": "1"}, "invalid_cvc"),
    ],
)
def test_a_card_that_cannot_be_is_refused(sandbox: Sandbox, details: dict[str, Any], code: str) -> None:
    with pytest.raises(stripe.CardError) as refusal:
        card(sandbox, **{"number": "4242424242424242", **details})

    assert refusal.value.code == code


def test_a_card_is_attached_and_listed(sandbox: Sandbox) -> None:
    customer = sandbox.client.v1.customers.create({})
    method = card(sandbox, "4242424242424242")

    sandbox.client.v1.payment_methods.attach(method.id, {"customer": customer.id})

    listed = sandbox.client.v1.payment_methods.list({"customer": customer.id, "type": "card"})
    assert [each.id for each in listed.data] == [method.id]
    assert sandbox.deliver() == ["customer.created", "payment_method.attached"]


def test_a_declined_card_cannot_be_attached_but_0341_can(sandbox: Sandbox) -> None:
    customer = sandbox.client.v1.customers.create({})

    with pytest.raises(stripe.CardError):
        sandbox.client.v1.payment_methods.attach("pm_card_chargeDeclined", {"customer": customer.id})
    attached = sandbox.client.v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": customer.id})

    assert attached.customer == customer.id


def test_a_detached_card_is_no_default_any_more_and_cannot_come_back(sandbox: Sandbox) -> None:
    customer = sandbox.client.v1.customers.create({"payment_method": "pm_card_visa"})
    method = sandbox.client.v1.customers.payment_methods.list(customer.id).data[0]
    sandbox.client.v1.customers.update(customer.id, {"invoice_settings": {"default_payment_method": method.id}})

    sandbox.client.v1.payment_methods.detach(method.id)

    settings = sandbox.client.v1.customers.retrieve(customer.id).invoice_settings
    assert settings is not None
    assert settings.default_payment_method is None
    with pytest.raises(stripe.InvalidRequestError, match="may not be used again"):
        sandbox.client.v1.payment_methods.attach(method.id, {"customer": customer.id})


def test_a_default_must_belong_to_its_customer(sandbox: Sandbox) -> None:
    customer = sandbox.client.v1.customers.create({})
    method = card(sandbox, "4242424242424242")

    with pytest.raises(stripe.InvalidRequestError, match="must be attached"):
        sandbox.client.v1.customers.update(customer.id, {"invoice_settings": {"default_payment_method": method.id}})


def test_a_setup_intent_keeps_a_card(sandbox: Sandbox) -> None:
    customer = sandbox.client.v1.customers.create({})
    intent = sandbox.client.v1.setup_intents.create({"customer": customer.id})

    kept = sandbox.client.v1.setup_intents.confirm(intent.id, {"payment_method": "pm_card_visa"})

    assert kept.status == "succeeded"
    assert sandbox.client.v1.customers.payment_methods.list(customer.id).data[0].id == kept.payment_method
    assert sandbox.deliver()[-2:] == ["payment_method.attached", "setup_intent.succeeded"]


def test_a_setup_intent_with_a_refused_card_may_be_tried_again(sandbox: Sandbox) -> None:
    intent = sandbox.client.v1.setup_intents.create({})
    with pytest.raises(stripe.CardError) as refusal:
        sandbox.client.v1.setup_intents.confirm(intent.id, {"payment_method": "pm_card_chargeDeclined"})

    kept = sandbox.client.v1.setup_intents.confirm(intent.id, {"payment_method": "pm_card_visa"})

    assert refusal.value.code == "card_declined"
    assert (kept.status, kept.last_setup_error) == ("succeeded", None)


def test_a_setup_intent_may_need_the_bank(sandbox: Sandbox) -> None:
    intent = sandbox.client.v1.setup_intents.create(
        {"payment_method": "pm_card_authenticationRequired", "confirm": True, "return_url": "https://shop.example"}
    )

    sandbox.control(f"3ds/{intent.id}")

    assert intent.status == "requires_action"
    assert sandbox.client.v1.setup_intents.retrieve(intent.id).status == "succeeded"


def test_a_setup_intent_is_canceled(sandbox: Sandbox) -> None:
    intent = sandbox.client.v1.setup_intents.create({})

    assert sandbox.client.v1.setup_intents.cancel(intent.id).status == "canceled"
