"""Staff and services set a status: along the table of moves, with a reason, and never against Stripe (ruling 26)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from billing.models import Payment
from events.models import Event
from tests.api import api
from tests.buyer import Buyer

V1 = "/api/v1"


def asked_for(**body: Any) -> UUID:
    answer = api("shop", "service").post(
        f"{V1}/payments",
        {"user_id": "anna", "amount": 2500, "currency": "usd", **body},
        content_type="application/json",
    )
    return UUID(answer.json()["id"])


def set_status(payment: UUID, status: str, role: str = "admin", reason: str = "asked by mail") -> Any:
    return api("root", role).patch(
        f"{V1}/payments/{payment}/status", {"status": status, "reason": reason}, content_type="application/json"
    )


def test_an_unpaid_payment_is_canceled_at_stripe_first(buyer: Buyer) -> None:
    """PA-04, ruling 2: `cancelled` is accepted, and history says who and why. Twice changes nothing."""
    payment = asked_for(order_id="o-1")

    first, second = set_status(payment, "cancelled"), set_status(payment, "canceled")

    assert [first.status_code, first.json()["status"], second.status_code] == [200, "canceled", 200]
    assert buyer.stripe.get(f"payment_intents/{buyer.payment.stripe_id}")["status"] == "canceled"
    said = Event.objects.get(type="payment.status.set")
    assert (said.actor, said.data) == ("admin:root", {"status": "canceled", "why": "asked by mail"})
    assert Event.objects.get(type="order.status.updated").data["status"] == "CANCELLED"


def test_a_payment_on_an_open_page_closes_the_page(buyer: Buyer) -> None:
    """Stripe cancels no intent of a page that is open: the page is closed."""
    checkout = buyer.order()

    assert set_status(buyer.payment.pk, "canceled").json()["status"] == "canceled"
    assert buyer.stripe.get(f"checkout/sessions/{checkout.stripe_id}")["status"] == "expired"


@pytest.mark.parametrize("status", ["completed", "failed"])
def test_nobody_is_marked_paid_that_stripe_has_not_paid(buyer: Buyer, status: str) -> None:
    """Ruling 26: the answer names what Stripe says."""
    payment = asked_for()

    answer = set_status(payment, status, role="service")

    assert (answer.status_code, answer.json()["code"]) == (409, "stripe_says_otherwise")
    assert "pending" in answer.json()["detail"]
    assert not Event.objects.filter(type="payment.status.set").exists()


def test_what_was_paid_unseen_is_found_by_the_look(buyer: Buyer) -> None:
    """No event came: a fresh look says that it is paid, so it may be set; and cannot be canceled any more."""
    payment = asked_for()
    stripe_id = Payment.objects.get(pk=payment).stripe_id
    buyer.stripe.post(
        f"payment_intents/{stripe_id}/confirm", payment_method="pm_card_visa", return_url="http://localhost/done"
    )

    canceled, paid = set_status(payment, "canceled"), set_status(payment, "succeeded")

    assert (canceled.status_code, canceled.json()["code"]) == (409, "stripe_says_otherwise")
    assert (paid.status_code, paid.json()["status"]) == (200, "succeeded")
    assert set_status(payment, "canceled").json()["code"] == "status_not_allowed"


def test_a_reason_is_needed_and_a_user_or_support_may_not(buyer: Buyer) -> None:
    """Staff and services only, and they say why."""
    payment = asked_for()

    assert set_status(payment, "canceled", reason="").status_code == 400
    assert [set_status(payment, "canceled", role=role).status_code for role in ("user", "support")] == [403, 403]


def test_payments_are_listed_by_every_filter(buyer: Buyer) -> None:
    """PA-05, PA-06: limit, offset and total; the shown status and the older spellings are filters."""
    buyer.buy()
    paid, asked = buyer.payment.pk, asked_for(order_id="o-1")
    api("root", "admin").post(
        f"{V1}/refunds", {"payment_id": str(paid), "amount": 100}, content_type="application/json"
    )
    for query, found in {
        "status=partially_refunded": [paid],
        "status=refunded": [],
        "status=completed": [],
        "status=pending&currency=USD": [asked],
        "order_id=o-1": [asked],
        "user_id=anna&limit=1&offset=1": [paid],
        f"customer_id={buyer.customer.pk}": [asked, paid],
        "created_from=2100-01-01T00:00:00Z": [],
        "created_to=2100-01-01T00:00:00Z": [asked, paid],
    }.items():
        answer = api("shop", "service").get(f"{V1}/payments?{query}").json()
        assert [UUID(one["id"]) for one in answer["data"]] == found, query

    page = api("anna").get(f"{V1}/customers/{buyer.customer.pk}/payments?limit=1&offset=0").json()
    assert (page["total"], page["has_more"]) == (2, True)
    assert api("ben").get(f"{V1}/customers/{buyer.customer.pk}/payments").status_code == 404
