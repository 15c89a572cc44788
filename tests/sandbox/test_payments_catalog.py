"""Products and prices."""

from typing import Any

import pytest
import stripe

from tests.sandbox.conftest import Sandbox


@pytest.fixture
def product(sandbox: Sandbox) -> Any:
    """Give a product to put prices on."""
    return sandbox.client.v1.products.create({"name": "Pro"})


def test_a_price_is_found_by_its_lookup_key(sandbox: Sandbox, product: Any) -> None:
    price = sandbox.client.v1.prices.create(
        {
            "product": product.id,
            "unit_amount": 1999,
            "currency": "usd",
            "recurring": {"interval": "month"},
            "lookup_key": "pro-month",
        }
    )

    found = sandbox.client.v1.prices.list({"lookup_keys": ["pro-month", "none"], "expand": ["data.product"]})

    assert [each.id for each in found.data] == [price.id]
    assert (price.type, price.recurring.interval_count, price.unit_amount_decimal) == ("recurring", 1, 1999)
    assert found.data[0].product.name == "Pro"


def test_a_lookup_key_is_one_prices_at_a_time(sandbox: Sandbox, product: Any) -> None:
    old = sandbox.client.v1.prices.create(
        {"product": product.id, "unit_amount": 100, "currency": "usd", "lookup_key": "k"}
    )

    with pytest.raises(stripe.InvalidRequestError, match="already uses that lookup key"):
        sandbox.client.v1.prices.create(
            {"product": product.id, "unit_amount": 200, "currency": "usd", "lookup_key": "k"}
        )
    new = sandbox.client.v1.prices.create(
        {
            "product": product.id,
            "unit_amount": 200,
            "currency": "usd",
            "lookup_key": "k",
            "transfer_lookup_key": True,
        }
    )

    assert new.lookup_key == "k"
    assert sandbox.client.v1.prices.retrieve(old.id).lookup_key is None


def test_a_price_keeps_its_amount_and_may_be_retired(sandbox: Sandbox, product: Any) -> None:
    price = sandbox.client.v1.prices.create({"product": product.id, "unit_amount": 100, "currency": "usd"})

    refused = sandbox.form(f"/v1/prices/{price.id}", unit_amount="200")
    sandbox.client.v1.prices.update(price.id, {"active": False})

    assert refused.json()["error"]["code"] == "parameter_unknown"
    assert sandbox.client.v1.prices.list({"active": True}).data == []


def test_a_product_may_bring_its_default_price(sandbox: Sandbox) -> None:
    product = sandbox.client.v1.products.create(
        {"name": "Pro", "default_price_data": {"currency": "inr", "unit_amount": 49900}, "expand": ["default_price"]}
    )

    assert product.default_price.unit_amount == 49900


def test_a_product_with_prices_stays(sandbox: Sandbox, product: Any) -> None:
    empty = sandbox.client.v1.products.create({"name": "Empty", "id": "empty"})
    sandbox.client.v1.prices.create({"product": product.id, "unit_amount": 100, "currency": "usd"})

    with pytest.raises(stripe.InvalidRequestError, match="cannot be deleted"):
        sandbox.client.v1.products.delete(product.id)

    assert sandbox.client.v1.products.delete(empty.id).deleted


@pytest.mark.parametrize(("currency", "amount"), [("jpy", 500), ("kwd", 1230), ("isk", 50000)])
def test_currencies_without_two_decimals_are_taken(sandbox: Sandbox, product: Any, currency: str, amount: int) -> None:
    price = sandbox.client.v1.prices.create({"product": product.id, "unit_amount": amount, "currency": currency})

    assert (price.currency, price.unit_amount) == (currency, amount)


def test_a_price_needs_an_amount_a_product_and_a_possible_interval(sandbox: Sandbox, product: Any) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="unit_amount"):
        sandbox.client.v1.prices.create({"product": product.id, "currency": "usd"})
    with pytest.raises(stripe.InvalidRequestError, match="product"):
        sandbox.client.v1.prices.create({"unit_amount": 100, "currency": "usd"})
    with pytest.raises(stripe.InvalidRequestError, match="interval_count"):
        sandbox.client.v1.prices.create(
            {
                "product": product.id,
                "unit_amount": 100,
                "currency": "usd",
                "recurring": {"interval": "year", "interval_count": 4},
            }
        )


def test_options_in_other_currencies_show_on_request(sandbox: Sandbox, product: Any) -> None:
    price = sandbox.client.v1.prices.create(
        {
            "product": product.id,
            "unit_amount": 100,
            "currency": "usd",
            "currency_options": {"eur": {"unit_amount": 90}},
            "expand": ["currency_options"],
        }
    )

    assert {code: each.unit_amount for code, each in price.currency_options.items()} == {"usd": 100, "eur": 90}
