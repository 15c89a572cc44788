"""Support finds a user, and sees on one page what he has, what he may do, and why not."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from billing import refunds
from billing.idempotency import Asking
from entitlements import overrides
from entitlements.overrides import Ruling
from tests.buyer import Buyer
from tests.staff import log_in

ASKING = Asking.of("admin:vera", None, {})


@pytest.fixture
def staff(books: None) -> Client:
    return log_in(Client(), User.objects.get_or_create(username="root", is_staff=True, is_superuser=True)[0])


def shown(staff: Client, user_id: str, **asked: str) -> str:
    answer = staff.get(reverse("admin:billing_customer_person"), {"user_id": user_id, **asked})
    assert answer.status_code == 200
    return answer.content.decode()


def test_one_page_shows_all_of_a_user(staff: Client, buyer: Buyer) -> None:
    """AD-01: his answers, grants, payments, refunds and history, each with a link to its own page."""
    subscription = buyer.subscribe()
    refunds.create(buyer.payment, 100, reason="duplicate", asking=ASKING)

    page = shown(staff, buyer.user_id)

    for title in ("What he may do now", "Entitlements", "Subscriptions", "Payments", "Refunds", "Invoices", "Events"):
        assert title in page, title
    for row in (subscription, buyer.payment, buyer.customer):
        assert reverse(f"admin:billing_{row._meta.model_name}_change", args=[row.pk]) in page
    assert "within_limit" in page
    assert "8.00 USD" in page


def test_the_page_says_why_not_and_what_would_help(staff: Client, buyer: Buyer) -> None:
    """EN-03: as `explain` does for programs."""
    buyer.subscribe()
    overrides.add(buyer.user_id, Ruling("export", "deny"), reason="abuse", asking=ASKING)

    page = shown(staff, buyer.user_id, feature="export")

    for words in ("override_deny", "overruled", "remove_overrides"):
        assert words in page, words


def test_a_customer_leads_to_the_page_of_his_user(staff: Client, buyer: Buyer) -> None:
    buyer.subscribe()

    answer = staff.get(reverse("admin:billing_customer_everything", args=[buyer.customer.pk]))

    assert answer["Location"].endswith(f"/person/?user_id={buyer.user_id}")


def test_who_is_not_known_is_said(staff: Client) -> None:
    assert "Nothing else is kept" in shown(staff, "nobody")
    assert "What he may do now" not in staff.get(reverse("admin:billing_customer_person")).content.decode()


def test_staff_see_of_a_user_what_they_may_see_elsewhere(staff: Client, buyer: Buyer) -> None:
    """Who may look at customers alone sees no payment here."""
    buyer.subscribe()
    clerk = User.objects.get_or_create(username="clerk", is_staff=True)[0]
    clerk.user_permissions.add(Permission.objects.get(codename="view_customer", content_type__app_label="billing"))

    page = shown(log_in(Client(), clerk), buyer.user_id)

    assert "Payments</h2>" not in page
    assert "What he may do now" not in page


def test_more_rows_are_no_more_queries(staff: Client, buyer: Buyer) -> None:
    buyer.subscribe()
    refunds.create(buyer.payment, 1, reason="duplicate", asking=ASKING)
    shown(staff, buyer.user_id)
    with CaptureQueriesContext(connection) as few:
        shown(staff, buyer.user_id)

    for _ in range(4):
        refunds.create(buyer.payment, 1, reason="duplicate", asking=ASKING)
    with CaptureQueriesContext(connection) as many:
        shown(staff, buyer.user_id)

    assert len(many) <= len(few)
