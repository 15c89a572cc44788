"""Invoices, receipts and searches as people see them."""

from typing import Any

import pytest
import requests
import stripe

from tests.sandbox.conftest import Sandbox
from tests.sandbox.test_payments_checkout import ASKING, BUYER, DECLINED
from tests.sandbox.test_payments_intents import pay


@pytest.fixture
def open_invoice(sandbox: Sandbox) -> Any:
    """Give the first invoice of a subscription that its buyer has still to pay."""
    customer = sandbox.client.v1.customers.create({"email": "a@example.com"})
    product = sandbox.client.v1.products.create({"name": "Pro (monthly)"})
    price = sandbox.client.v1.prices.create(
        {"product": product.id, "unit_amount": 1999, "currency": "usd", "recurring": {"interval": "month"}}
    )
    subscription = sandbox.client.v1.subscriptions.create(
        {
            "customer": customer.id,
            "items": [{"price": price.id}],
            "payment_behavior": "default_incomplete",
            "expand": ["latest_invoice"],
        }
    )
    return subscription.latest_invoice


def test_an_open_invoice_is_paid_on_its_page(sandbox: Sandbox, open_invoice: Any) -> None:
    page = requests.get(open_invoice.hosted_invoice_url, timeout=10)
    refused = requests.post(open_invoice.hosted_invoice_url, data=DECLINED, timeout=10)
    paid = requests.post(open_invoice.hosted_invoice_url, data=BUYER, timeout=10)

    assert "19.99 USD" in page.text
    assert (refused.status_code, "insufficient funds" in refused.text) == (402, True)
    assert "paid" in paid.text
    assert sandbox.client.v1.invoices.retrieve(open_invoice.id).status == "paid"
    assert sandbox.client.v1.subscriptions.list().data[0].status == "active"


def test_an_invoice_whose_bank_asks_is_paid_after_the_answer(sandbox: Sandbox, open_invoice: Any) -> None:
    bank = requests.post(open_invoice.hosted_invoice_url, data=ASKING, timeout=10)

    paid = requests.post(bank.url, data={"result": "complete"}, timeout=10)

    assert "/3ds/" in bank.url
    assert "paid" in paid.text
    assert sandbox.client.v1.invoices.retrieve(open_invoice.id).status == "paid"


def test_an_invoice_has_a_pdf(sandbox: Sandbox, open_invoice: Any) -> None:
    document = requests.get(open_invoice.invoice_pdf, timeout=10)

    assert document.headers["Content-Type"] == "application/pdf"
    assert document.content.startswith(b"%PDF-1.4")
    assert open_invoice.number.encode() in document.content


def test_a_receipt_tells_of_the_payment_and_of_its_refund(sandbox: Sandbox) -> None:
    intent = pay(sandbox, "pm_card_visa", expand=["latest_charge"])
    sandbox.client.v1.refunds.create({"payment_intent": intent.id, "amount": 500})

    receipt = requests.get(intent.latest_charge.receipt_url, timeout=10).text

    assert "19.99 USD" in receipt
    assert "5.00 USD went back" in receipt


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("email:'a@example.com'", ["a"]),
        ("metadata['plan']:'pro'", ["b", "a"]),
        ("metadata['plan']:'pro' AND -email:'a@example.com'", ["b"]),
        ("email:'a@example.com' OR name:'c'", ["c", "a"]),
        ("email~'example'", ["b", "a"]),
        ("metadata['plan']:null", ["c"]),
        ("created>0", ["c", "b", "a"]),
    ],
)
def test_customers_are_searched(sandbox: Sandbox, query: str, found: list[str]) -> None:
    for name in "ab":
        sandbox.client.v1.customers.create({"name": name, "email": f"{name}@example.com", "metadata": {"plan": "pro"}})
    sandbox.client.v1.customers.create({"name": "c"})

    assert [each.name for each in sandbox.client.v1.customers.search({"query": query}).data] == found


@pytest.mark.parametrize("query", ["", "email", "email:'a' AND name:'b' OR name:'c'", "email:'a' nonsense"])
def test_a_search_that_cannot_be_read_is_refused(sandbox: Sandbox, query: str) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        sandbox.client.v1.customers.search({"query": query})


def test_a_search_is_paged(sandbox: Sandbox) -> None:
    for number in range(3):
        sandbox.client.v1.customers.create({"name": "a", "email": f"{number}@example.com"})

    first = sandbox.client.v1.customers.search({"query": "name:'a'", "limit": 2})

    assert (first.has_more, len(first.data)) == (True, 2)
    assert len(list(first.auto_paging_iter())) == 3


def test_the_bank_page_of_nothing_is_a_404(sandbox: Sandbox) -> None:
    assert requests.get(f"{sandbox.url}/3ds/pi_none", timeout=10).status_code == 404
