"""Staff give money back on a page of the back office: once, to the cap, and over it with another admin."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from billing.models import Refund, RefundApproval
from events.models import Event
from tests.buyer import Buyer
from tests.staff import log_in


@pytest.fixture
def staff(books: None) -> Client:
    return log_in(Client(), User.objects.get_or_create(username="root", is_staff=True, is_superuser=True)[0])


def page(buyer: Buyer) -> str:
    return reverse("admin:billing_payment_refund", args=[buyer.payment.pk])


def said(**fields: Any) -> dict[str, Any]:
    return {"key": str(uuid4()), "amount": "100", "reason": "duplicate", "why": "paid twice", **fields}


def test_a_click_and_its_double_make_one_refund(staff: Client, buyer: Buyer) -> None:
    """RF-01, RF-03: the page opens from the payment; history says who and why."""
    buyer.buy()
    form = said()

    shown = staff.get(page(buyer))
    answers = [staff.post(page(buyer), form) for _ in range(2)]

    assert b"is left to refund" in shown.content
    assert [answer.status_code for answer in answers] == [302, 302]
    refund = Refund.objects.get()
    assert (refund.status, refund.amount_minor, refund.principal) == ("succeeded", 100, "staff:root")
    asked = Event.objects.get(type="refund.requested")
    assert (asked.actor, asked.data["why"]) == ("staff:root", "paid twice")


def test_over_the_cap_another_admin_is_asked(staff: Client, buyer: Buyer, settings: LazySettings) -> None:
    """The cap holds here too: no money moves."""
    settings.REFUND_CAPS = {"usd": 50}
    buyer.buy()

    assert staff.post(page(buyer), said()).status_code == 302

    assert not Refund.objects.exists()
    assert RefundApproval.objects.get().principal == "staff:root"


def test_what_cannot_be_done_is_said_on_the_page(staff: Client, buyer: Buyer) -> None:
    """More than was paid, and no reason given."""
    buyer.buy()

    too_much, silent = staff.post(page(buyer), said(amount="999999")), staff.post(page(buyer), said(why=""))

    assert b"left to refund" in too_much.content
    assert silent.status_code == 200
    assert not Refund.objects.exists()


def test_staff_without_the_permission_are_refused(buyer: Buyer) -> None:
    """Looking at a payment is not giving it back."""
    buyer.buy()
    clerk = log_in(Client(), User.objects.get_or_create(username="clerk", is_staff=True)[0])

    assert clerk.post(page(buyer), said()).status_code == 403
    assert not Refund.objects.exists()
