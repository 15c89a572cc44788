"""What an error says to a developer: the field, what is expected there, and who may do what he may not."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from events import clock
from keys import service_keys
from tests.api import api

pytestmark = pytest.mark.django_db
JSON = "application/json"


def said(answer: Any) -> list[tuple[str, str]]:
    return [(str(each.get("pointer") or each.get("parameter")), each["detail"]) for each in answer.json()["errors"]]


def test_a_wrong_form_is_shown_the_right_one() -> None:
    client = api()

    country = client.get("/api/v1/plans/premium-plan?country=INDIA")
    plan = client.post("/api/v1/quotes", {"plan_id": "a plan"}, JSON)

    assert said(country) == [("country", "It must look like IN.")]
    assert said(plan) == [("#/plan_id", "It must look like pro-monthly.")]


def test_a_wrong_choice_is_told_the_right_ones() -> None:
    answer = api("vera", "admin").get("/api/v1/payments?status=paid")

    [(place, words)] = said(answer)
    assert place == "status"
    assert words.startswith('"paid" is none of: ')
    assert "succeeded" in words


def test_a_list_where_an_object_belongs_is_said_in_the_words_of_json() -> None:
    assert said(api().post("/api/v1/quotes", "[]", JSON)) == [("#", "Give a JSON object.")]


def test_history_of_a_bare_name_is_refused_and_not_empty() -> None:
    """EV: `subject=anna` would look like a user to whom nothing happened."""
    answer = api("shop", "support").get("/api/v1/events?subject=anna")

    assert (answer.status_code, said(answer)) == (400, [("subject", "It must look like user:42.")])


def test_who_may_not_is_told_who_may() -> None:
    payments = api().get("/api/v1/payments")
    explained = api().get("/api/v1/entitlements/check?feature_code=export&explain=true")

    assert payments.status_code == explained.status_code == 403
    assert payments.json()["detail"] == "The role user may not do this; service, support, admin may."
    assert explained.json()["detail"] == "The role user may not explain an answer."


def test_a_key_without_the_scope_is_told_its_name(books: None) -> None:
    _, secret = service_keys.create("shop", ["check"], days=1, at=clock.now())
    client = Client(headers={"Authorization": f"Bearer {secret.text}"})

    answer = client.get("/api/v1/events")

    assert (answer.status_code, answer.json()["detail"]) == (403, "The scope events:read is missing.")
