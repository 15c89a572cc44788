"""Quotes over HTTP (PZ-09), once per Idempotency-Key."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.db import connection
from rest_framework.test import APIClient

from pricing import plans, quotes
from pricing.models import PlanVersion, Quote
from tests.api import places

Clients = Callable[..., APIClient]
Plans = Callable[..., PlanVersion]
V1 = "/api/v1"


def test_a_quote_freezes_the_price_for_half_an_hour(world: None, client_of: Clients) -> None:
    """PZ-09: the server's price, not the client's."""
    asked = {"plan_id": "premium-plan", "country_code": "IN"}

    answer = client_of("user").post(f"{V1}/quotes", asked, format="json")
    dictated = client_of("user").post(f"{V1}/quotes", {**asked, "amount": 1, "base_price": 1}, format="json")

    body = answer.json()
    assert answer.status_code == 201
    assert (body["amount"], body["base"], body["zone"], body["plan_version"]) == (1200, 2999, "C", 1)
    made, ends = (datetime.fromisoformat(body[name]) for name in ("created_at", "expires_at"))
    assert (ends - made).total_seconds() == 1800
    assert Quote.objects.get(pk=body["id"]).user_id == "ann"
    assert (dictated.status_code, places(dictated)) == (400, ["#/amount", "#/base_price"])


def test_a_quote_of_nobody_or_of_a_service_belongs_to_no_user(world: None, client_of: Clients) -> None:
    for client in (client_of(), client_of("service", "shop")):
        body = client.post(f"{V1}/quotes", {"plan_id": "free"}, format="json").json()

        assert Quote.objects.get(pk=body["id"]).user_id is None
        assert body["reasons"][0]["code"] == "unknown_country"


def test_the_same_key_and_body_is_the_same_quote(world: None, client_of: Clients) -> None:
    client, asked = client_of("user"), {"plan_id": "premium-plan", "country_code": "IN"}

    first = client.post(f"{V1}/quotes", asked, format="json", headers={"Idempotency-Key": "k1"})
    again = client.post(f"{V1}/quotes", asked, format="json", headers={"Idempotency-Key": "k1"})

    assert first.json() == again.json()
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert Quote.objects.count() == 1


def test_the_same_key_with_another_body_is_a_422(world: None, client_of: Clients) -> None:
    client = client_of("user")
    client.post(f"{V1}/quotes", {"plan_id": "free"}, format="json", headers={"Idempotency-Key": "k1"})

    answer = client.post(f"{V1}/quotes", {"plan_id": "pro-monthly"}, format="json", headers={"Idempotency-Key": "k1"})

    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


@pytest.mark.parametrize("key", ["", "k" * 256])
def test_a_key_must_have_1_to_255_letters(world: None, client_of: Clients, key: str) -> None:
    answer = client_of().post(f"{V1}/quotes", {"plan_id": "free"}, format="json", headers={"Idempotency-Key": key})

    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("asked", "status", "wrong"),
    [
        ({}, 400, ["#/plan_id"]),
        ({"plan_id": "nothing"}, 404, ["#/plan_id"]),
        ({"plan_id": "free", "country_code": "IND"}, 400, ["#/country_code"]),
        ({"plan_id": "free", "country_code": 7}, 400, ["#/country_code"]),
        ({"plan_id": "\x00"}, 400, ["#/plan_id"]),
    ],
)
def test_a_malformed_request_names_its_field(
    world: None, client_of: Clients, asked: dict[str, Any], status: int, wrong: list[str]
) -> None:
    answer = client_of().post(f"{V1}/quotes", asked, format="json")

    assert (answer.status_code, places(answer)) == (status, wrong)


def test_a_plan_that_is_not_for_sale_is_not_quoted(world: None, client_of: Clients, at: datetime) -> None:
    plans.change(plans.find("free"), at=at, active=False)

    answer = client_of().post(f"{V1}/quotes", {"plan_id": "free"}, format="json")

    assert (answer.status_code, answer.json()["code"]) == (409, "plan_not_for_sale")


def test_two_quotes_with_one_key_at_once_are_one(books: None, at: datetime) -> None:
    gate, found = threading.Barrier(2), []

    def ask() -> None:
        gate.wait()
        try:
            quote, _ = quotes.ask("premium-plan", "IN", user_id="ann", principal="user:ann", key="k1", at=at)
            found.append(quote.pk)
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 2
    assert len(set(found)) == 1
