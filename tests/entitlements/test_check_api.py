"""GET and POST /entitlements/check: 200 for every decision, 4xx only for a question that cannot be read."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from rest_framework.response import Response

from entitlements import grants
from events import clock
from tests.api import places
from tests.entitlements.conftest import DAY, SUBSCRIPTION, Clients, a_version
from tests.entitlements.conftest import LATER as T0

URL = "/api/v1/entitlements/check"
END = T0 + 30 * DAY


@pytest.fixture(autouse=True)
def granted(db: None) -> None:
    grants.grant("ann", a_version(), source=SUBSCRIPTION, starts_at=T0, ends_at=END, grace_until=END + DAY, at=T0)


def asked(client_of: Clients, method: str, role: str = "service", **question: Any) -> Response:
    client = client_of(role)
    return client.get(URL, question) if method == "get" else client.post(URL, question, format="json")


both = pytest.mark.parametrize("method", ["get", "post"])


@both
def test_the_answer_is_whole(client_of: Clients, method: str) -> None:
    """EN-03, EN-06."""
    response = asked(client_of, method, user_id="ann", feature_code="calls", at="2126-02-01T14:00:00+02:00")

    found = response.json()
    assert (response.status_code, found.pop("fresh_until") is not None) == (200, True)
    assert found == {
        "allowed": True,
        "reason_code": "within_limit",
        "user_id": "ann",
        "feature_code": "calls",
        "kind": "metered",
        "value": None,
        "limit": 100,
        "unlimited": False,
        "used": 0,
        "remaining": 100,
        "reserved": 0,
        "overage": 0,
        "warning": None,
        "family_id": None,
        "period": {"name": "month", "start": "2126-01-31T12:00:00Z", "end": "2126-02-28T12:00:00Z"},
        "source": {"type": "subscription", "id": "sub-1", "plan_id": "atlas", "version": 1},
        "in_grace": False,
        "grace_until": "2126-03-03T12:00:00Z",
        "expires_at": "2126-03-02T12:00:00Z",
        "as_of": "2126-02-01T12:00:00Z",
    }


@both
def test_a_no_is_an_answer_with_200(client_of: Clients, method: str) -> None:
    responses = [
        asked(client_of, method, user_id=user_id, feature_code=feature, at=T0.isoformat())
        for user_id, feature in (("bob", "pdf"), ("ann", "teleport"))
    ]

    assert [response.status_code for response in responses] == [200, 200]
    assert [response.json()["reason_code"] for response in responses] == ["no_entitlement", "feature_unknown"]
    assert [response.json()["allowed"] for response in responses] == [False, False]


@both
def test_a_moment_to_come_is_answered_from_what_is_known_now(client_of: Clients, method: str) -> None:
    moments = (END - timedelta(microseconds=1), END, END + DAY)

    found = [asked(client_of, method, user_id="ann", feature_code="pdf", at=at.isoformat()).json() for at in moments]

    assert [answer["reason_code"] for answer in found] == ["granted", "in_grace", "expired"]
    assert [answer["in_grace"] for answer in found] == [False, True, False]


@both
def test_the_letters_of_a_moment_may_be_small(client_of: Clients, method: str) -> None:
    """RFC 3339, 5.6."""
    found = asked(client_of, method, user_id="ann", feature_code="pdf", at="2126-02-01t12:00:00.25z").json()

    assert found["as_of"] == "2126-02-01T12:00:00.250000Z"


@both
def test_without_a_moment_the_database_s_clock_decides(client_of: Clients, method: str) -> None:
    before = clock.now()
    grants.grant("eve", a_version(), source=SUBSCRIPTION, starts_at=before, ends_at=before + DAY, at=before)

    found = asked(client_of, method, user_id="eve", feature_code="pdf").json()

    assert found["allowed"] is True
    assert before.isoformat() <= found["as_of"].replace("Z", "+00:00") <= clock.now().isoformat()


@both
def test_a_user_need_not_name_himself(client_of: Clients, method: str) -> None:
    response = asked(client_of, method, "user", feature_code="pdf", at=T0.isoformat())

    assert (response.status_code, response.json()["user_id"], response.json()["allowed"]) == (200, "ann", True)


@both
def test_another_user_is_not_found(client_of: Clients, method: str) -> None:
    response = asked(client_of, method, "user", user_id="bob", feature_code="pdf")

    assert (response.status_code, response.json()["code"]) == (404, "not_found")


@both
@pytest.mark.parametrize("role", ["service", "support", "admin"])
def test_whoever_asks_for_others_must_name_the_user(client_of: Clients, method: str, role: str) -> None:
    response = asked(client_of, method, role, feature_code="pdf")

    assert response.status_code == 400
    assert [place.removeprefix("#/") for place in places(response)] == ["user_id"]


@both
def test_nobody_asks_without_a_token(client_of: Clients, method: str) -> None:
    response = asked(client_of, method, "", user_id="ann", feature_code="pdf")

    assert response.status_code == 401


@both
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("feature_code", ""),
        ("feature_code", "x" * 101),
        ("feature_code", "a\x00b"),
        ("user_id", ""),
        ("user_id", "x" * 256),
        ("user_id", "a\x00b"),
        ("requested", -1),
        ("requested", "many"),
        ("requested", 2**63),
        ("at", "2026-02-01T12:00:00"),
        ("at", "2026-02-01"),
        ("at", "tomorrow"),
        ("at", "0001-01-01T00:00:00+14:00"),
        ("at", "9999-12-31T23:59:59Z"),
    ],
)
def test_a_malformed_question_is_refused_by_the_name_of_its_field(
    client_of: Clients, method: str, field: str, value: Any
) -> None:
    question = {"user_id": "ann", "feature_code": "pdf", field: value}

    response = asked(client_of, method, **question)

    assert (response.status_code, response["Content-Type"]) == (400, "application/problem+json")
    assert [place.removeprefix("#/") for place in places(response)] == [field]


@pytest.mark.parametrize("body", [[], "pdf", None, 3])
def test_a_body_that_is_no_object_is_refused(client_of: Clients, body: Any) -> None:
    response = client_of("service").post(URL, body, format="json")

    assert response.status_code == 400


@both
def test_the_units_asked_for_are_part_of_the_question(client_of: Clients, method: str) -> None:
    found = [
        asked(client_of, method, user_id="ann", feature_code="calls", requested=units, at=T0.isoformat()).json()
        for units in (0, 100, 101)
    ]

    assert [answer["reason_code"] for answer in found] == ["within_limit", "within_limit", "limit_reached"]
    assert [answer["allowed"] for answer in found] == [True, True, False]
