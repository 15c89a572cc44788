"""Plans and features over HTTP (PL-01, PL-10, PZ-07, PZ-10, PZ-11)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from rest_framework.test import APIClient

from pricing import plans
from pricing.models import PlanVersion
from tests.api import places

Clients = Callable[..., APIClient]
Plans = Callable[..., PlanVersion]
V1 = "/api/v1"
pytestmark = pytest.mark.usefixtures("world")


def test_plans_are_listed_with_their_price_in_a_country(client_of: Clients) -> None:
    """PZ-07, PZ-10, PZ-11."""
    body = client_of().get(f"{V1}/plans", {"country": "in"}).json()

    by_id = {plan["id"]: plan for plan in body["data"]}
    assert set(by_id) == {"free", "basic-monthly", "pro-monthly", "family-yearly", "premium-plan"}
    assert by_id["premium-plan"]["price"] == {
        "country_code": "IN",
        "country": "India",
        "zone": "C",
        "zone_name": "Mid-Low",
        "multiplier": "0.40",
        "base": 2999,
        "base_currency": "USD",
        "amount": 1200,
        "currency": "USD",
        "amount_decimal": "12.00",
        "is_fallback": False,
        "reasons": [
            {
                "code": "zone",
                "text": "India is in zone C (Mid-Low), multiplier 0.40.",
                "zone": "C",
                "multiplier": "0.40",
                "flagged": False,
            },
            {
                "code": "rounded",
                "text": "1199.6 minor units are rounded half up to 12.00 USD.",
                "amount_minor": 1200,
            },
        ],
    }


def test_a_plan_shows_the_documents_flat_fields_too(client_of: Clients) -> None:
    """PL-01."""
    body = client_of().get(f"{V1}/plans/family-yearly").json()

    flat = ("feature_codes", "price_cents", "currency", "billing_cycle", "max_users", "active", "metadata")
    assert [body[name] for name in flat] == [
        ["api_calls", "export", "file_formats", "reports", "seats", "storage_gb", "support_level"],
        9999,
        "USD",
        "yearly",
        6,
        True,
        {},
    ]
    assert body["usage_limits"]["seats"] == {"limit": 6, "period": "never", "soft": False}
    assert body["version"]["number"] == 1


def test_a_country_that_nobody_knows_pays_the_list_price_and_is_flagged(client_of: Clients) -> None:
    price = client_of().get(f"{V1}/plans/premium-plan", {"country": "ZZ"}).json()["price"]

    assert (price["amount"], price["zone"], price["is_fallback"]) == (2999, "A", True)


@pytest.mark.parametrize("country", ["IND", "1", "\x00\x00", "ÄÖ"])
def test_a_malformed_country_is_a_400_that_names_it(client_of: Clients, country: str) -> None:
    for path in ("plans", "plans/free"):
        answer = client_of().get(f"{V1}/{path}", {"country": country})

        assert answer.status_code == 400
        assert set(places(answer)) == {"country"}


def test_a_plan_without_a_published_version_is_not_listed_and_has_no_price(client_of: Clients, at: datetime) -> None:
    plans.add("empty", at=at, name="Empty")

    listed = client_of().get(f"{V1}/plans").json()["data"]
    shown = client_of().get(f"{V1}/plans/empty").json()

    assert "empty" not in [plan["id"] for plan in listed]
    assert (shown["price"], shown["version"], shown["price_cents"], shown["feature_codes"]) == (
        None,
        None,
        None,
        [],
    )


def test_an_inactive_plan_is_not_listed_but_shown(client_of: Clients, at: datetime) -> None:
    plans.change(plans.find("free"), at=at, active=False)

    listed = client_of().get(f"{V1}/plans").json()["data"]

    assert "free" not in [plan["id"] for plan in listed]
    assert client_of().get(f"{V1}/plans/free").json()["active"] is False


def test_an_unknown_plan_is_a_404(client_of: Clients) -> None:
    assert client_of().get(f"{V1}/plans/nothing").status_code == 404


def test_a_longer_list_costs_no_more_queries(client_of: Clients, a_plan: Plans, django_assert_num_queries: Any) -> None:
    client = client_of()
    with django_assert_num_queries(7):
        client.get(f"{V1}/plans", {"country": "IN"})
    for _ in range(5):
        a_plan()

    with django_assert_num_queries(7):
        client.get(f"{V1}/plans", {"country": "IN"})


def test_plans_are_paged(client_of: Clients) -> None:
    first = client_of().get(f"{V1}/plans", {"limit": 2}).json()
    rest = client_of().get(f"{V1}/plans", {"limit": 100, "starting_after": first["next_cursor"]}).json()
    counted = client_of().get(f"{V1}/plans", {"limit": 2, "offset": 1}).json()

    assert (len(first["data"]), len(rest["data"]), first["has_more"], rest["has_more"]) == (2, 3, True, False)
    assert counted["total"] == 5


def test_features_are_listed_with_their_kind(client_of: Clients) -> None:
    """PL-10."""
    body = client_of().get(f"{V1}/features").json()

    kinds = {feature["code"]: feature["kind"] for feature in body["data"]}
    assert kinds == {
        "export": "boolean",
        "reports": "boolean",
        "api_calls": "metered",
        "storage_gb": "metered",
        "seats": "metered",
        "support_level": "static",
        "file_formats": "static",
    }
