"""The back office over HTTP: every page of ours opens, and money is looked at, not touched."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from entitlements.models import Override
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
