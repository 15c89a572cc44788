from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from hypothesis import given, settings
from hypothesis import strategies as st
from rest_framework.test import APIClient

from entitlements import grants
from entitlements.models import Entitlement, Reservation, UsageEvent
from entitlements.serializers.usage import UsageSaid, plain_use, read_one
from events import clock
from tests.api import places
from tests.entitlements.conftest import DAY, SUBSCRIPTION, Clients, a_version

pytestmark = pytest.mark.django_db
USAGE, BATCH = "/api/v1/usage", "/api/v1/usage/batch"
HELD = "/api/v1/usage/reservations"
ABSENT = "01900000-0000-7000-8000-000000000000"


@pytest.fixture
def service(client_of: Clients) -> APIClient:
    """A service, and ann who may make 100 calls a month from now."""
    now = clock.now()
    with transaction.atomic():
        grants.grant("ann", a_version(), source=SUBSCRIPTION, starts_at=now, ends_at=now + timedelta(days=90), at=now)
    return client_of("service")


def post(client: APIClient, path: str, body: Any, content_type: str = "application/json", **headers: str) -> Any:
    return client.generic("POST", path, json.dumps(body), content_type=content_type, headers=headers)


def a_use(event_id: str = "e-1", units: int = 30, **said: Any) -> dict[str, Any]:
    return {"user_id": "ann", "feature_code": "calls", "units": units, "event_id": event_id, **said}


def an_event(id: str = "1", **said: Any) -> dict[str, Any]:
    return {
        **{"specversion": "1.0", "id": id, "source": "/app", "type": "calls", "subject": "ann", "x": "let be"},
        **{"data": {"units": 30}, **said},
    }


def test_a_use_is_answered_with_its_row(service: APIClient) -> None:
    """US-01, US-04."""
    first = post(service, USAGE, a_use(metadata={"job": "7"}))
    again = post(service, USAGE, a_use(metadata={"job": "7"}))

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert first.json()["id"] == again.json()["id"]
    told = first.json()
    assert (told["units"], told["feature_code"], told["overage"], told["metadata"]) == (30, "calls", 0, {"job": "7"})


def test_a_use_that_does_not_fit_is_a_409_with_the_numbers(service: APIClient) -> None:
    post(service, USAGE, a_use(units=90))

    answer = post(service, USAGE, a_use("e-2", 11))

    told = answer.json()
    assert (answer.status_code, told["code"], told["reason_code"]) == (409, "limit_reached", "limit_reached")
    assert (told["limit"], told["used"], told["reserved"], told["remaining"]) == (100, 90, 0, 10)


def test_the_same_id_with_another_body_is_a_422(service: APIClient) -> None:
    post(service, USAGE, a_use())

    answer = post(service, USAGE, a_use(units=31))

    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"units": 1.5}, "#/units"),
        ({"units": 0}, "#/units"),
        ({"event_id": ""}, "#/event_id"),
        ({"feature_code": "pdf"}, "#/feature_code"),
        ({"at": "2099-01-01T00:00:00Z"}, "#/at"),
        ({"colour": "red"}, "#/colour"),
    ],
)
def test_what_is_wrong_is_named(service: APIClient, body: dict[str, Any], place: str) -> None:
    answer = post(service, USAGE, {**a_use(), **body})

    assert answer.status_code == 400
    assert places(answer) == [place]


def test_a_cloud_event_is_a_use(service: APIClient) -> None:
    kind = "application/cloudevents+json; charset=UTF-8"

    first = post(service, USAGE, an_event(), kind)
    again = post(service, USAGE, an_event(), kind)
    other = post(service, USAGE, an_event(source="/other"), kind)

    assert [each.status_code for each in (first, again, other)] == [201] * 3
    assert first.json()["id"] == again.json()["id"] != other.json()["id"]
    assert first.json()["event_id"] == "/app 1"


@pytest.mark.parametrize(
    ("said", "place"),
    [
        ({"specversion": "0.3"}, "#/specversion"),
        ({"data": {"colour": "red"}}, "#/data/colour"),
        ({"data_base64": "AA=="}, "#/data_base64"),
        ({"time": "yesterday"}, "#/time"),
        ({"source": "/app 1"}, "#/source"),
    ],
)
def test_a_wrong_cloud_event_is_named(service: APIClient, said: dict[str, Any], place: str) -> None:
    answer = post(service, USAGE, an_event(**said), "application/cloudevents+json")

    assert answer.status_code == 400
    assert places(answer) == [place]


def test_a_batch_answers_for_each(service: APIClient) -> None:
    uses = [a_use("e-0", 60), a_use("e-1", 60), {"user_id": "ann"}, a_use("e-3", 40), a_use("e-0", 60)]

    answer = post(service, BATCH, {"events": uses})

    told = answer.json()
    assert answer.status_code == 200
    assert [(row["index"], row["replayed"]) for row in told["data"]] == [(0, False), (3, False), (4, True)]
    assert [(row["index"], row["code"]) for row in told["errors"]] == [(1, "limit_reached"), (2, "invalid_request")]
    assert "#/feature_code" in told["errors"][1]["detail"]


@pytest.mark.parametrize("cloud", [False, True])
@pytest.mark.parametrize("odd", [None, 5, "x", [], True])
def test_what_is_no_object_is_wrong_alone(service: APIClient, cloud: bool, odd: Any) -> None:
    """Each stands or falls alone: what one sender's slip was stops no other's use."""
    rows = [an_event("1"), odd, an_event("2")] if cloud else [a_use("e-0"), odd, a_use("e-2")]
    kind = "application/cloudevents-batch+json" if cloud else "application/json"

    answer = post(service, BATCH, rows if cloud else {"events": rows}, kind)

    assert answer.status_code == 200
    assert [row["index"] for row in answer.json()["data"]] == [0, 2]
    assert answer.json()["errors"] == [{"index": 1, "code": "invalid_request", "detail": "#: Give a JSON object."}]


@pytest.mark.parametrize("said", [[], {}, 5, [an_event(str(n)) for n in range(1001)]])
def test_a_list_of_cloud_events_that_cannot_be_read_is_named_as_the_body_it_is(service: APIClient, said: Any) -> None:
    answer = post(service, BATCH, said, "application/cloudevents-batch+json")

    assert (answer.status_code, places(answer)) == (400, ["#"])


ODD = st.sampled_from(
    [
        "",
        "ann",
        "x" * 100,
        "x" * 101,
        "x" * 255,
        "x" * 256,
        " ",
        1,
        0,
        -1,
        1.5,
        True,
        None,
        [],
        {},
        10**15,
        10**15 + 1,
        2**53,
    ]
    + ["2026-01-31T12:00:00Z", "2026-01-31T12:00:00", "2026-01-31"]
)


@settings(max_examples=300, deadline=None)
@given(
    said=st.dictionaries(st.sampled_from(["user_id", "feature_code", "event_id", "units", "at", "metadata", "x"]), ODD)
)
def test_a_plain_row_is_read_as_the_serializer_reads_it(said: dict[str, Any]) -> None:
    row = {**a_use(), **said}
    found = UsageSaid(data=row)

    plain = plain_use(row)

    if plain is not None:
        assert found.is_valid(), found.errors
        assert plain == read_one(found.validated_data, cloud=False)


def test_a_batch_of_cloud_events_is_read(service: APIClient) -> None:
    answer = post(service, BATCH, [an_event("1"), an_event("2"), {}], "application/cloudevents-batch+json")

    assert [row["index"] for row in answer.json()["data"]] == [0, 1]
    assert [row["index"] for row in answer.json()["errors"]] == [2]


def test_a_batch_holds_a_thousand_and_no_more(service: APIClient) -> None:
    Entitlement.objects.filter(feature_id="calls").update(limit=None)
    uses = [a_use(f"e-{n}", 1, metadata={"note": "x" * 200}) for n in range(1000)]

    answer = post(service, BATCH, {"events": uses})
    more = post(service, BATCH, {"events": [*uses, a_use()]})

    assert len(answer.json()["data"]) == 1000
    assert UsageEvent.objects.count() == 1000
    assert (more.status_code, places(more)) == (400, ["#/events"])


def test_only_what_an_operation_reads_is_read(service: APIClient) -> None:
    kinds = [(USAGE, "application/cloudevents-batch+json"), (BATCH, "application/cloudevents+json"), (HELD, "text/csv")]

    assert [post(service, path, {}, kind).status_code for path, kind in kinds] == [415] * 3


def test_units_are_held_then_used_or_given_back(service: APIClient) -> None:
    body = {"user_id": "ann", "feature_code": "calls", "units": 40, "expires_in": 60}
    first = post(service, HELD, body, **{"Idempotency-Key": "k-1"})
    again = post(service, HELD, body, **{"Idempotency-Key": "k-1"})
    second = post(service, HELD, body).json()["id"]

    assert (first.status_code, first.json()["status"]) == (201, "held")
    assert again.json()["id"] == first.json()["id"]
    done = post(service, f"{HELD}/{first.json()['id']}/commit", {"units": 25})
    assert (done.status_code, done.json()["status"], done.json()["committed"]) == (200, "committed", 25)
    freed = post(service, f"{HELD}/{second}/release", {})
    assert freed.json()["status"] == "released"
    late = post(service, f"{HELD}/{second}/commit", {})
    assert (late.status_code, late.json()["code"]) == (409, "reservation_over")
    assert post(service, f"{HELD}/{ABSENT}/commit", {}).status_code == 404


def test_what_is_held_is_shown_to_whose_it_is_with_its_end_by_the_clock(service: APIClient, client_of: Clients) -> None:
    body, key = {"user_id": "ann", "feature_code": "calls", "units": 40, "expires_in": 60}, {"Idempotency-Key": "k-1"}
    held = post(service, HELD, body, **key).json()
    path = f"{HELD}/{held['id']}"

    assert [service.get(path).json(), client_of("user", "ann").get(path).json()] == [held, held]
    assert client_of("user", "ben").get(path).status_code == service.get(f"{HELD}/{ABSENT}").status_code == 404
    over = clock.now()
    Reservation.objects.update(created_at=over - 2 * DAY, expires_at=over)
    said = service.get(path).json()
    assert (said["status"], said["status_at"]) == ("expired", said["expires_at"])
    assert post(service, HELD, body, **key).json() == said
    assert Reservation.objects.get().status == "held"


def test_a_correction_names_the_use_as_its_sender_did(service: APIClient, client_of: Clients) -> None:
    used = post(service, USAGE, a_use("e-1")).json()["id"]
    sender = UsageEvent.objects.get().principal
    path, body = "/api/v1/usage/corrections", {"event_id": "e-1", "units": -10, "reason": "counted twice"}

    mine = post(client_of("admin"), path, body)
    made = post(client_of("admin"), path, {**body, "recorded_by": sender})

    assert mine.status_code == 404
    assert (made.status_code, made.json()["corrects"]) == (201, used)
    wrong = [{**body, "usage_id": used}, {"units": -1, "reason": "r"}, {**body, "event_id": ""}]
    wrong.append({"usage_id": used, "recorded_by": sender, "units": -1, "reason": "r"})
    told = [post(client_of("admin"), path, each) for each in wrong]
    assert [(each.status_code, *places(each)) for each in told] == [
        (400, "#/usage_id"),
        (400, "#/usage_id"),
        (400, "#/event_id"),
        (400, "#/recorded_by"),
    ]


def test_an_admin_corrects_and_a_service_does_not(service: APIClient, client_of: Clients) -> None:
    used = post(service, USAGE, a_use()).json()["id"]
    body = {"usage_id": used, "units": -10, "reason": "counted twice"}

    assert post(service, "/api/v1/usage/corrections", body).status_code == 403
    made = post(client_of("admin"), "/api/v1/usage/corrections", body)

    assert (made.status_code, made.json()["corrects"], made.json()["units"]) == (201, used, -10)
    more = post(client_of("admin"), "/api/v1/usage/corrections", {**body, "units": -21})
    assert (more.status_code, more.json()["code"]) == (409, "below_zero")


def test_a_user_reads_what_he_used(service: APIClient, client_of: Clients) -> None:
    """US-01 GetUsage, US-05."""
    post(service, USAGE, a_use("e-1", 30))
    post(service, USAGE, a_use("e-2", 5))

    told = client_of("user", "ann").get("/api/v1/users/ann/usage?feature_code=calls&limit=1").json()

    assert [row["units"] for row in told["data"]] == [5]
    assert told["has_more"]
    assert told["totals"] == [{"feature_code": "calls", "units": 35}]
    assert [(row["used"], row["reserved"]) for row in told["periods"]] == [(35, 0)]
    assert client_of("user", "ben").get("/api/v1/users/ann/usage").status_code == 404


def test_a_time_limits_what_is_read(service: APIClient) -> None:
    post(service, USAGE, a_use())
    path = "/api/v1/users/ann/usage"

    assert service.get(f"{path}?to=2026-01-01T00:00:00Z").json()["totals"] == []
    assert service.get(f"{path}?from=2026-01-01T00:00:00Z").json()["totals"][0]["units"] == 30
    wrong = service.get(f"{path}?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z")
    assert (wrong.status_code, places(wrong)) == (400, ["to"])


def test_a_period_that_ends_where_the_time_begins_is_not_in_it(service: APIClient) -> None:
    post(service, USAGE, a_use())
    path = "/api/v1/users/ann/usage"
    (period,) = service.get(path).json()["periods"]
    start, end = period["period_start"], period["period_end"]

    asked = {"from": (start, end), "to": (end, start)}
    found = {name: [len(service.get(path, {name: at}).json()["periods"]) for at in ats] for name, ats in asked.items()}

    assert found == {"from": [1, 0], "to": [1, 0]}
    used = service.get(path).json()["data"][0]["at"]
    assert [service.get(path, {name: used}).json()["totals"] == [] for name in asked] == [False, True]


def test_a_service_needs_the_scope_to_write() -> None:
    from config.api.authentication import Role, Scope
    from config.api.roles import ROLES, scope_of

    for name in ("usage", "usage-batch", "reservations", "reservation-commit", "reservation-release"):
        assert scope_of(f"POST {name}") is Scope.USAGE_WRITE
        assert set(ROLES[f"POST {name}"]) == {Role.SERVICE, Role.ADMIN}
