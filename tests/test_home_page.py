"""The page that a newcomer lands on."""

from __future__ import annotations

import pytest
from django.conf import LazySettings
from django.test import Client

from pricing.models import Country, Zone

pytestmark = pytest.mark.django_db


def test_it_shows_every_plan_with_its_price_for_india() -> None:
    """PZ-07, PZ-10."""
    page = Client().get("/").content.decode()

    assert 'data-country="IN"' in page
    assert "12.00" in page
    assert "premium-plan" in page


def test_it_needs_nothing_but_files_of_its_own() -> None:
    """SE-06."""
    response = Client().get("/")

    page = response.content.decode()
    assert "default-src 'self'" in response["Content-Security-Policy"]
    assert "<script" not in page
    assert "<style" not in page
    assert "style=" not in page


def test_an_empty_catalog_says_how_to_fill_it() -> None:
    Country.objects.all().delete()
    Zone.objects.all().delete()

    response = Client().get("/")

    assert response.status_code == 200
    assert "seed_zones" in response.content.decode()


def test_the_sandbox_is_named_only_where_it_is_in_use(settings: LazySettings) -> None:
    settings.STRIPE_API_BASE = "https://api.stripe.com"

    page = Client().get("/").content.decode()

    assert "sandbox" not in page
    assert "test mode" in page


def test_a_buyer_who_comes_back_is_told_what_happens() -> None:
    """CO-05."""
    assert "Access follows the webhook" in Client().get("/?checkout=paid").content.decode()
    assert "Nothing was charged" in Client().get("/?checkout=canceled").content.decode()
    assert "<script" not in Client().get("/?checkout=<script>").content.decode()
