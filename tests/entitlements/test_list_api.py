"""GET /users/{user_id}/entitlements: every grant, and what they give together."""

from __future__ import annotations

from typing import Any

import pytest

from entitlements import grants
from entitlements.models import Entitlement
from tests.api import places
from tests.entitlements.conftest import DAY, PURCHASE, SUBSCRIPTION, Clients, a_version
from tests.entitlements.conftest import LATER as T0

URL = "/api/v1/users/{}/entitlements"
END = T0 + 30 * DAY


@pytest.fixture(autouse=True)
def granted(db: None) -> None:
    version = a_version({"calls": {"limit": 100, "period": "month"}, "pdf": {}})
    grants.grant("ann", version, source=SUBSCRIPTION, starts_at=T0, ends_at=END, subscription_id="sub_123", at=T0)
    grants.grant("ann", a_version({"charts": {}}), source=PURCHASE, starts_at=T0, ends_at=None, at=T0)


def listed(client_of: Clients, **query: Any) -> dict[str, Any]:
    response = client_of("user").get(URL.format("ann"), query)
    assert response.status_code == 200
    found: dict[str, Any] = response.json()
    return found


def test_a_grant_is_shown_whole(client_of: Clients) -> None:
    """EN-01, EN-04, EN-10."""
    row = Entitlement.objects.get(feature="calls")

    (shown,) = [row for row in listed(client_of, at=T0.isoformat())["data"] if row["feature_code"] == "calls"]

    times = {name: shown.pop(name) for name in ("created_at", "updated_at")}
    assert all(times.values())
    assert shown == {
        "id": str(row.id),
        "user_id": "ann",
        "family_id": None,
        "feature_code": "calls",
        "plan_id": "atlas",
        "subscription_id": "sub_123",
        "source": {"type": "subscription", "id": "sub-1", "plan_id": "atlas", "version": 1},
        "status": "active",
        "status_at": "2126-01-31T12:00:00Z",
        "reason": "",
        "effective": True,
        "granted_at": "2126-01-31T12:00:00Z",
        "starts_at": "2126-01-31T12:00:00Z",
        "expires_at": "2126-03-02T12:00:00Z",
        "grace_until": None,
        "usage_limits": {"calls": {"limit": 100, "period": "month", "soft": False}},
        "value": None,
        "metadata": {},
    }


def test_a_lifetime_purchase_has_no_end_and_no_subscription(client_of: Clients) -> None:
    """PL-07."""
    (shown,) = [row for row in listed(client_of)["data"] if row["feature_code"] == "charts"]

    assert (shown["expires_at"], shown["subscription_id"], shown["usage_limits"]) == (None, None, {})


def test_what_a_grant_gives_is_compared_with_the_moment_asked_for(client_of: Clients) -> None:
    """No job has run: the status still says active."""
    found = listed(client_of, at=END.isoformat())

    effective = {row["feature_code"]: (row["status"], row["effective"]) for row in found["data"]}
    assert effective == {"calls": ("active", False), "pdf": ("active", False), "charts": ("active", True)}
    assert [(one["feature_code"], one["reason_code"]) for one in found["features"]] == [
        ("calls", "expired"),
        ("charts", "granted"),
        ("pdf", "expired"),
    ]


def test_pages_follow_each_other_newest_first_and_each_has_all_features(client_of: Clients) -> None:
    first = listed(client_of, limit=2)
    second = listed(client_of, limit=2, starting_after=first["next_cursor"])
    counted = listed(client_of, limit=2, offset=1)

    ids = [row["id"] for row in first["data"] + second["data"]]
    assert ids == sorted(ids, reverse=True)
    assert (len(ids), first["has_more"], second["has_more"], counted["total"]) == (3, True, False, 3)
    assert len(first["features"]) == len(second["features"]) == 3


@pytest.mark.parametrize(("status", "found"), [("canceled", 1), ("cancelled", 1), ("active", 2), ("revoked", 0)])
def test_rows_are_filtered_by_status_in_either_spelling(client_of: Clients, status: str, found: int) -> None:
    """EN-02, ruling 2."""
    grants.cancel(PURCHASE, at=T0)

    shown = listed(client_of, status=status)["data"]

    assert len(shown) == found


@pytest.mark.parametrize(
    ("name", "value"), [("status", "gone"), ("at", "2026-02-01T12:00:00"), ("limit", "0"), ("starting_after", "x")]
)
def test_a_malformed_question_is_refused_by_the_name_of_its_field(client_of: Clients, name: str, value: str) -> None:
    response = client_of("user").get(URL.format("ann"), {name: value})

    assert response.status_code == 400
    assert [place.removeprefix("#/") for place in places(response)] == [name]


def test_another_user_is_not_found_and_an_unknown_one_has_nothing(client_of: Clients) -> None:
    foreign = client_of("user").get(URL.format("bob"))
    unknown = client_of("service").get(URL.format("bob"))

    assert foreign.status_code == 404
    assert (unknown.status_code, unknown.json()["data"], unknown.json()["features"]) == (200, [], [])


def test_a_user_id_that_cannot_be_one_is_refused(client_of: Clients) -> None:
    responses = [client_of("service").get(URL.format(user_id)) for user_id in ("a%00b", "x" * 256)]

    assert [response.status_code in (400, 404) for response in responses] == [True, True]


def test_a_user_id_is_any_string_of_the_product(client_of: Clients) -> None:
    """CU-02."""
    odd = "auth0|spiff id+ü@example.org"
    grants.grant(odd, a_version({"pdf": {}}), source=PURCHASE, starts_at=T0, ends_at=None, at=T0)

    response = client_of("user", odd).get(URL.format(odd))

    assert [row["user_id"] for row in response.json()["data"]] == [odd]
