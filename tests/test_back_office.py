"""The back office over HTTP: every page of ours opens, and money is looked at, not touched."""

from __future__ import annotations

import re

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from billing import refunds
from billing.idempotency import Asking
from billing.models import Finding, Invoice
from config.office import Pages
from entitlements.models import Override
from events import clock
from events.models import Event
from pricing.models import Country
from tests.buyer import Buyer
from tests.staff import log_in

SHOWN = sorted(
    (model for model in admin.site._registry if model._meta.app_label not in {"auth"}), key=lambda m: m._meta.label
)


@pytest.fixture
def staff(books: None) -> Client:
    client = Client()
    log_in(client, User.objects.get_or_create(username="root", is_staff=True, is_superuser=True)[0])
    return client


@pytest.mark.parametrize("model", SHOWN, ids=lambda model: model._meta.label)
def test_every_list_opens_with_rows_in_it(staff: Client, buyer: Buyer, model: type) -> None:
    """AD-01: a purchase and a subscription leave rows in most of them."""
    buyer.subscribe()

    answer = staff.get(reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"))

    assert answer.status_code == 200


@pytest.mark.parametrize("app", ["billing", "events", "entitlements", "djstripe"])
def test_what_happens_by_itself_is_read_only(staff: Client, app: str) -> None:
    """Everything but plans, zones, countries and overrides is looked at."""
    for model in apps.get_app_config(app).get_models():
        if admin.site.is_registered(model) and model is not Override:
            assert staff.get(reverse(f"admin:{app}_{model._meta.model_name}_add")).status_code == 403


def test_the_business_comes_first_and_the_machinery_of_others_last(staff: Client) -> None:
    """AD-01: every app has a name that says what it is, and pages that stay empty are not shown."""
    page = staff.get(reverse("admin:index"))

    titles = [app["name"] for app in page.context["app_list"]]
    assert titles == [
        "Billing",
        "Entitlements",
        "History",
        "Pricing",
        "Service keys",
        "Staff",
        "Staff: refused logins",
        "Stripe's objects, a copy",
    ]
    assert [model["name"] for model in page.context["app_list"][6]["models"]] == ["Access attempts"]


def test_amounts_and_times_are_shown_as_people_write_them(staff: Client, buyer: Buyer) -> None:
    """In the currency's decimals and with the zone; what only knows a request again is left out."""
    subscription = buyer.subscribe()
    invoice, payment = Invoice.objects.get(), buyer.payment

    pages = {
        row: staff.get(reverse(f"admin:billing_{row._meta.model_name}_change", args=[row.pk])).content.decode()
        for row in (payment, invoice, subscription)
    }

    assert "8.00 USD" in pages[payment]
    assert "8.00 USD" in pages[invoice]
    assert f"{payment.paid_at:%Y-%m-%d %H:%M:%S} UTC" in pages[payment]
    assert f"{subscription.stripe_id} active" in pages[subscription]
    for page in pages.values():
        assert not re.search(r"(?i)minor|request hash|idempotency key|busy until|p\.m\.|a\.m\.", page)


def test_what_hangs_on_a_payment_names_whose_it_is(staff: Client, buyer: Buyer) -> None:
    """AD-01: a list of refunds, disputes or zone checks without names helps nobody."""
    buyer.buy()
    refunds.create(buyer.payment, 100, reason="duplicate", asking=Asking.of("admin:vera", None, {}))

    for name in ("refund", "paymentattempt", "zonecheck"):
        listed = staff.get(reverse(f"admin:billing_{name}_changelist")).content.decode()
        assert buyer.user_id in listed, name


def test_a_no_is_no_red_cross(staff: Client, buyer: Buyer) -> None:
    """Nothing is wrong with a rule that is not due, and with a subscription that is no duplicate."""
    buyer.subscribe()

    for name in ("policyrule", "subscription"):
        listed = staff.get(reverse(f"admin:billing_{name}_changelist")).content.decode()
        assert "close_small" not in listed, name


@pytest.mark.parametrize("term", ["anna", "user:anna", "customer.created", "object"])
def test_history_is_found_by_whole_words(staff: Client, buyer: Buyer, term: str) -> None:
    """A user's id is enough; every way has an index, for history only grows."""
    buyer.order()
    seen = Event.objects.get(type="customer.created")

    page = reverse("admin:events_event_changelist")
    found = staff.get(page, {"q": seen.object if term == "object" else term})
    nothing = staff.get(page, {"q": "ann"})

    assert "customer.created" in found.content.decode()
    assert "customer.created" not in nothing.content.decode()


def test_findings_say_what_differs_and_which_are_open(staff: Client) -> None:
    Finding.objects.create(kind="amount", object="pi_1", data={"ours": 100, "stripe": 90})
    Finding.objects.create(kind="status", object="pi_2", data={}, closed_at=clock.now())

    page = staff.get(reverse("admin:billing_finding_changelist"), {"closed_at__isempty": "1"}).content.decode()

    assert "ours: 100, stripe: 90" in page
    assert "pi_2" not in page


def test_a_very_long_list_is_not_counted(staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is filtered is; a list of few rows is counted too."""
    rows = Country.objects.order_by("pk")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE pricing_country")

    assert Pages(rows, 100).count == rows.count()
    monkeypatch.setattr(Pages, "MANY", 10)
    with CaptureQueriesContext(connection) as asked:
        assert Pages(rows, 100).count == rows.count()
        assert Pages(rows.filter(zone="A"), 100).count == rows.filter(zone="A").count()

    assert ["reltuples" in query["sql"] for query in asked] == [True, False, False, False]


def test_the_first_page_says_what_waits_for_a_person(staff: Client, buyer: Buyer) -> None:
    """Open findings, dead events and flagged zones, each with the way to its rows; nothing where nothing waits."""
    before = staff.get(reverse("admin:index")).content.decode()
    buyer.buy()
    Finding.objects.create(kind="amount", object="pi_1", data={})

    page = staff.get(reverse("admin:index"))

    assert "Waits for you" not in before
    waiting = {each["words"]: each for each in page.context["waiting"]}
    assert {words: each["count"] for words, each in waiting.items()} == {"zone checks to decide": 1, "open findings": 1}
    for each in waiting.values():
        listed = staff.get(each["page"])
        assert (listed.status_code, listed.context["cl"].result_count) == (200, 1)
