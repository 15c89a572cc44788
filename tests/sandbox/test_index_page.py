"""The page at `/`, where people come who were given the sandbox's address."""

import requests

from tests.sandbox.conftest import Sandbox
from tests.sandbox.test_payments_checkout import BUYER


def test_the_page_says_what_this_is_and_which_cards_there_are(sandbox: Sandbox) -> None:
    page = requests.get(sandbox.url, timeout=60)

    assert page.status_code == 200
    assert page.headers["Content-Type"].startswith("text/html")
    assert "A stand-in for Stripe" in page.text
    assert "4242 4242 4242 4242" in page.text
    assert "4000 0000 0000 9995" in page.text


def test_the_page_shows_what_was_asked_last(sandbox: Sandbox) -> None:
    """A line of a product's name is shown, not run."""
    session = sandbox.client.v1.checkout.sessions.create(
        {
            "mode": "payment",
            "success_url": "http://127.0.0.1:1/",
            "line_items": [
                {
                    "quantity": 1,
                    "price_data": {"currency": "usd", "unit_amount": 1200, "product_data": {"name": "<script>"}},
                }
            ],
        }
    )
    requests.post(str(session.url), data=BUYER, allow_redirects=False, timeout=60)

    page = requests.get(sandbox.url, timeout=60).text

    assert str(session.id) in page
    assert "12.00 USD" in page
    assert "checkout.session.completed" in page
    assert "POST /v1/checkout/sessions" in page
    assert "<script>" not in page
    for path in ("sessions", "events", "requests"):
        assert f"/_sandbox/{path}" in page
        assert sandbox.read(path)["data"]
