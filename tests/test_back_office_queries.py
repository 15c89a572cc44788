"""A page of the back office asks the database as often for many rows as for a few."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from billing import approvals, changing, refunds
from billing.idempotency import Asking
from billing.targets import Target
from entitlements import awards, overrides
from entitlements.awards import Gift
from entitlements.overrides import Ruling
from events import clock
from pricing import plans
from tests.buyer import Buyer
from tests.staff import log_in
from tests.stripe_side import StripeSide

# The session, who is logged in and his second factor, two counts, the rows, what hangs on them, and the filters' words.
MOST = 14


@pytest.fixture
def staff(books: None) -> Client:
    return log_in(Client(), User.objects.get_or_create(username="root", is_staff=True, is_superuser=True)[0])


def asked(staff: Client, page: str) -> int:
    staff.get(page)
    with CaptureQueriesContext(connection) as queries:
        assert staff.get(page).status_code == 200
    return len(queries)


def live_through(stripe: StripeSide, name: str) -> None:
    """Leave rows in as many lists as one user can."""
    buyer = Buyer(stripe, name)
    subscription = buyer.subscribe("family-yearly", "US")
    payment = buyer.payment
    asking = Asking.of("admin:vera", None, {})
    refunds.create(payment, 100, reason="duplicate", asking=asking)
    approvals.ask(payment, 100, reason="duplicate", asking=asking)
    stripe.control("disputes", charge=payment.stripe_charge_id, reason="fraudulent")
    buyer.buy()
    changing.change(subscription, Target(plan_id="pro-monthly"), asking=asking)
    overrides.add(name, Ruling("export", "deny"), reason="abuse", asking=asking)
    awards.give(name, Gift(feature_code="reports"), reason="thanks", asking=asking)
    plans.add(name, at=clock.now(), name=name)
    stripe.deliver()


def test_no_list_asks_once_for_each_row(staff: Client, stripe_side: StripeSide) -> None:
    """AD-01: with four users a list costs what it cost with two."""
    pages = {
        model._meta.label: reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        for model in admin.site._registry
    }
    for name in ("ann", "bea"):
        live_through(stripe_side, name)
    few = {label: asked(staff, page) for label, page in pages.items()}
    for name in ("cia", "dee"):
        live_through(stripe_side, name)

    many = {label: asked(staff, page) for label, page in pages.items()}

    assert {label: (few[label], found) for label, found in many.items() if found > few[label]} == {}
    assert {label: found for label, found in many.items() if found > MOST} == {}
