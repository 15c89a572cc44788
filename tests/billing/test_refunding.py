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
    return {"key": str(uuid4()), "amount": "1.00", "reason": "duplicate", "why": "paid twice", **fields}


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

    too_much, silent = staff.post(page(buyer), said(amount="9999.99")), staff.post(page(buyer), said(why=""))

    assert b"left to refund" in too_much.content
    assert silent.status_code == 200
    assert not Refund.objects.exists()


def test_an_amount_is_typed_in_the_currency_and_not_in_its_smallest_parts(staff: Client, buyer: Buyer) -> None:
    """RF-02: who types 12 means twelve dollars, and nothing between two cents can be typed."""
    buyer.buy()

    shown = staff.get(page(buyer)).content.decode()
    wrong = [staff.post(page(buyer), said(amount=amount)) for amount in ("0.005", "0", "-1", "1e-9", "NaN")]
    staff.post(page(buyer), said(amount="12"))

    assert "Amount in USD" in shown
    assert "Such as 12.00" in shown
    assert [answer.status_code for answer in wrong] == [200] * 5
    assert [refund.amount_minor for refund in Refund.objects.all()] == [1200]


def test_staff_without_the_permission_are_refused(buyer: Buyer) -> None:
    """Looking at a payment is not giving it back."""
    buyer.buy()
    clerk = log_in(Client(), User.objects.get_or_create(username="clerk", is_staff=True)[0])

    assert clerk.post(page(buyer), said()).status_code == 403
    assert not Refund.objects.exists()


def an_approval(staff: Client, buyer: Buyer, settings: LazySettings) -> RefundApproval:
    settings.REFUND_CAPS = {"usd": 50}
    buyer.buy()
    staff.post(page(buyer), said())
    return RefundApproval.objects.get()


def decision(approval: RefundApproval, verb: str) -> str:
    return reverse(f"admin:billing_refundapproval_{verb}", args=[approval.pk])


def colleague() -> Client:
    return log_in(Client(), User.objects.get_or_create(username="vera", is_staff=True, is_superuser=True)[0])


def test_another_member_of_staff_approves_on_a_page(staff: Client, buyer: Buyer, settings: LazySettings) -> None:
    """RF-03: who asked is refused on the page, who did not lets the money go, once, and says why."""
    approval = an_approval(staff, buyer, settings)
    vera = colleague()

    own = staff.post(decision(approval, "approve"), {"why": "mine"})
    shown = vera.get(decision(approval, "approve")).content.decode()
    silent = vera.post(decision(approval, "approve"), {"why": ""})
    approved = vera.post(decision(approval, "approve"), {"why": "checked with the bank"})
    again = vera.post(decision(approval, "approve"), {"why": "twice"})

    assert b"another admin must" in own.content
    assert f"staff:root asks to give 1.00 USD back to {buyer.user_id}, who paid 12.00 USD." in shown
    assert (silent.status_code, approved.status_code, again.status_code) == (200, 302, 403)
    refund = Refund.objects.get()
    assert (refund.status, refund.amount_minor) == ("succeeded", 100)
    told = Event.objects.get(type="refund_approval.approved")
    assert (told.actor, told.data["why"]) == ("staff:vera", "checked with the bank")


def test_another_member_of_staff_declines_on_a_page(staff: Client, buyer: Buyer, settings: LazySettings) -> None:
    """What is declined is over: no money moves, and it is not approved any more."""
    approval = an_approval(staff, buyer, settings)
    vera = colleague()

    declined = vera.post(decision(approval, "decline"), {"why": "no receipt"})
    late = vera.post(decision(approval, "approve"), {"why": "after all"})

    assert (declined.status_code, late.status_code) == (302, 403)
    approval.refresh_from_db()
    assert (approval.status, approval.decided_by) == ("declined", "staff:vera")
    assert not Refund.objects.exists()


def test_who_may_only_look_at_approvals_decides_none(staff: Client, buyer: Buyer, settings: LazySettings) -> None:
    approval = an_approval(staff, buyer, settings)
    clerk = log_in(Client(), User.objects.get_or_create(username="clerk", is_staff=True)[0])

    assert clerk.post(decision(approval, "approve"), {"why": "please"}).status_code == 403
    assert not Refund.objects.exists()
