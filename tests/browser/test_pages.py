"""What people see, in a real browser: no script of a stranger, no complaint in the console."""

from __future__ import annotations

import os

import pytest
from django.contrib.auth import get_user_model
from playwright.sync_api import expect

from config import second_factor
from config.models import Authenticator
from tests.browser.conftest import Visitor
from tests.staff import code_of

pytestmark = pytest.mark.browser


def test_the_home_page_shows_what_a_plan_costs_in_five_countries(farebox: str, visitor: Visitor) -> None:
    """PZ-07, PZ-10."""
    visitor.page.goto(farebox)

    premium = visitor.page.get_by_role("row", name="premium-plan")

    expect(visitor.page).to_have_title("Farebox")
    prices = premium.locator(".amount").all_inner_texts()
    assert prices == ["29.99", "29.99", "29.99", "12.00", "6.00"]
    assert visitor.complaints == []
    assert visitor.strangers == []


def test_the_home_page_fits_a_phone(farebox: str, visitor: Visitor) -> None:
    visitor.page.set_viewport_size({"width": 320, "height": 640})

    visitor.page.goto(farebox)

    assert visitor.page.evaluate("document.documentElement.scrollWidth") == 320


def test_every_link_of_the_home_page_leads_somewhere(farebox: str, visitor: Visitor) -> None:
    visitor.page.goto(farebox)
    links = visitor.page.locator("a[href^='/']").evaluate_all("all => all.map(a => a.href)")

    statuses = {url: visitor.page.request.get(url).status for url in links}

    assert len(statuses) >= 5
    assert set(statuses.values()) == {200}, statuses


def test_the_api_can_be_read_and_tried_offline(farebox: str, visitor: Visitor) -> None:
    """AR-05: the contract is published; the page asks nobody but this machine."""
    visitor.page.goto(f"{farebox}/api/docs")

    operation = visitor.page.locator("#operations-api-get_plans, .opblock").first
    expect(operation).to_be_visible()

    assert visitor.page.locator(".opblock").count() > 10
    assert visitor.complaints == []
    assert visitor.strangers == []


def test_staff_log_in_and_see_the_plans(farebox: str, visitor: Visitor) -> None:
    """AD-01."""
    password = os.urandom(12).hex()
    anna = get_user_model().objects.create_superuser("anna", "anna@example.com", password)
    enrolment = second_factor.invite(anna, why="new")

    visitor.page.goto(f"{farebox}/admin/")
    visitor.page.get_by_label("Username").fill("anna")
    visitor.page.get_by_label("Password").fill(password)
    visitor.page.get_by_role("button", name="Log in").click()
    visitor.page.get_by_role("textbox", name="Enrolment code").fill(enrolment)
    visitor.page.get_by_role("button", name="Continue").click()
    visitor.page.locator("#secret").wait_for()
    visitor.page.get_by_role("textbox", name="Code").fill(code_of(Authenticator.objects.get(user__username="anna")))
    visitor.page.get_by_role("button", name="Continue").click()
    expect(visitor.page.locator("#recovery-codes li")).to_have_count(10)
    visitor.page.goto(f"{farebox}/admin/pricing/plan/")

    expect(visitor.page.get_by_role("link", name="premium-plan")).to_be_visible()
    assert visitor.complaints == []
    assert visitor.strangers == []
    get_user_model().objects.filter(username="anna").delete()
