"""POST /entitlements/check-bulk: many users and features in one call."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries
from rest_framework.response import Response

from entitlements import access, facts, grants, standpoints
from entitlements.access import Question
from entitlements.serializers.answers import shown
from entitlements.serializers.checks import DecisionSerializer
from tests.api import places
from tests.entitlements.conftest import DAY, SUBSCRIPTION, Clients, a_version
from tests.entitlements.conftest import LATER as T0

URL = "/api/v1/entitlements/check-bulk"
AT = {"at": T0.isoformat()}
CODES = ["pdf", "calls", "disk", "help", "charts"]


@pytest.fixture(autouse=True)
def granted(db: None) -> None:
    for user_id in ("ann", "bob"):
        source = grants.Source(SUBSCRIPTION.type, f"sub-{user_id}")
        grants.grant(user_id, a_version(), source=source, starts_at=T0, ends_at=T0 + 30 * DAY, at=T0)


def asked(client_of: Clients, body: dict[str, Any], role: str = "service") -> Response:
    return client_of(role).post(URL, body, format="json")


def test_each_user_and_feature_has_the_answer_of_its_own_check(client_of: Clients) -> None:
    """EN-03: BulkCheckEntitlements."""
    users = ["bob", "ann", "nobody"]

    answer = asked(client_of, {"user_ids": users, "feature_codes": CODES, **AT}).json()

    one_by_one = [
        client_of("service").get(URL[:-5], {"user_id": user, "feature_code": code, **AT}).json()
        for user in users
        for code in CODES
    ]
    for each in (*answer["data"], *one_by_one):
        del each["fresh_until"]
    assert answer == {"data": one_by_one, "errors": []}


def test_a_user_id_that_cannot_be_one_is_told_by_its_place_and_stops_no_other(client_of: Clients) -> None:
    users = ["ann", 7, "", "x" * 256, None, ["bob"], "bob"]

    response = asked(client_of, {"user_ids": users, "feature_codes": ["pdf", "teleport"], **AT})

    assert response.status_code == 200
    assert [(each["user_id"], each["reason_code"]) for each in response.json()["data"]] == [
        ("ann", "granted"),
        ("ann", "feature_unknown"),
        ("bob", "granted"),
        ("bob", "feature_unknown"),
    ]
    errors = response.json()["errors"]
    assert [(each["index"], each["code"]) for each in errors] == [
        (1, "invalid"),
        (2, "blank"),
        (3, "max_length"),
        (4, "null"),
        (5, "invalid"),
    ]
    assert errors[0]["pointer"] == "#/user_ids/1"


def test_what_is_named_twice_is_answered_once(client_of: Clients) -> None:
    answer = asked(client_of, {"user_ids": ["ann", "ann"], "feature_codes": ["pdf", "pdf"], **AT}).json()

    assert [(each["user_id"], each["feature_code"]) for each in answer["data"]] == [("ann", "pdf")]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("user_ids", []),
        ("user_ids", ["ann"] * 101),
        ("user_ids", "ann"),
        ("feature_codes", []),
        ("feature_codes", ["pdf"] * 101),
        ("feature_codes", [7]),
        ("feature_codes", ["x" * 101]),
        ("at", "tomorrow"),
        ("requested", 3),
    ],
)
def test_a_malformed_question_is_refused_by_the_name_of_its_field(client_of: Clients, field: str, value: Any) -> None:
    response = asked(client_of, {"user_ids": ["ann"], "feature_codes": ["pdf"], field: value})

    assert response.status_code == 400
    assert {place.split("/")[1] for place in places(response)} == {field}


def test_a_hundred_users_and_a_hundred_features_are_as_many_queries_as_one(
    client_of: Clients, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """The clock, the facts, the counters; the features are remembered."""
    facts.features(facts.read("ann").catalog)
    many = [*CODES, *(f"feature-{number}" for number in range(95))]
    users = ["ann", "bob", *(f"user-{number}" for number in range(98))]

    for user_ids, codes in ((["ann"], CODES), (users, many)):
        with django_assert_num_queries(3):
            answer = asked(client_of, {"user_ids": user_ids, "feature_codes": codes, **AT})
        assert len(answer.json()["data"]) == len(user_ids) * len(codes)


def test_a_user_may_ask_for_himself_alone(client_of: Clients) -> None:
    own = asked(client_of, {"user_ids": ["ann"], "feature_codes": CODES, **AT}, "user")
    foreign = asked(client_of, {"user_ids": ["ann", "bob"], "feature_codes": CODES, **AT}, "user")

    assert (own.status_code, foreign.status_code) == (200, 404)


def test_an_answer_is_written_as_its_schema_says() -> None:
    """By hand, because it is fast; the serializer is what the schema is made of."""
    standpoint = standpoints.of(["ann", "nobody"], at=None)
    questions = [Question(known, code) for known in standpoint.known.values() for code in (*CODES, "teleport")]

    for at in (T0, T0 - DAY, T0 + 40 * DAY):
        for decision in access.answers(questions, at=at):
            assert shown(decision) == DecisionSerializer(decision).data
