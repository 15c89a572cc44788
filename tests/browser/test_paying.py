"""A buyer in a real browser, from the quoted price to the access."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from billing import opening
from billing.idempotency import Asking
from billing.models import Checkout
from billing.orders import Order
from tests.browser.conftest import Visitor
from tests.buyer import Buyer
from tests.stripe_side import DECLINED_CARD, GOOD_CARD

pytestmark = pytest.mark.browser


def a_checkout(farebox: str, buyer: Buyer) -> Checkout:
    order = Order("premium-plan", "IN", f"{farebox}/?checkout=paid", f"{farebox}/?checkout=canceled")
    return opening.open(buyer.user_id, order, asking=Asking.of("user:anna", None, {}))[0]


def fill_in(visitor: Visitor, card: str) -> None:
    page = visitor.page
    page.get_by_label("Email").fill("anna@example.com")
    page.get_by_label("Card number").fill(card)
    page.get_by_label(re.compile("Expiry")).fill("12 / 34")
    page.get_by_label("CVC").fill("123")
    page.get_by_role("button", name=re.compile("Pay")).click()


def test_a_buyer_pays_and_comes_back_to_access(farebox: str, buyer: Buyer, visitor: Visitor) -> None:
    """CO-02, CO-04, EN-07."""
    visitor.page.goto(a_checkout(farebox, buyer).url)

    expect(visitor.page.get_by_role("main")).to_contain_text("12.00")
    fill_in(visitor, GOOD_CARD)
    visitor.page.wait_for_url(f"{farebox}/**")
    buyer.stripe.deliver()

    expect(visitor.page.get_by_role("status")).to_contain_text("back from the payment page")
    assert buyer.may("export").allowed
    assert visitor.complaints == []
    assert visitor.strangers == []


def test_a_declined_card_is_explained_and_another_one_pays(farebox: str, buyer: Buyer, visitor: Visitor) -> None:
    """CO-05, PA-12."""
    visitor.page.goto(a_checkout(farebox, buyer).url)

    fill_in(visitor, DECLINED_CARD)
    expect(visitor.page.get_by_role("alert")).to_contain_text("declined")
    buyer.stripe.deliver()
    assert not buyer.may("export").allowed
    fill_in(visitor, GOOD_CARD)
    visitor.page.wait_for_url(f"{farebox}/**")
    buyer.stripe.deliver()

    assert buyer.may("export").allowed
