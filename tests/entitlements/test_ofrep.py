"""OFREP 0.3.0 over HTTP: what each kind of feature answers, how it fails, and when nothing has changed."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.conf import LazySettings
from django.test import Client, RequestFactory

from config.errors import server_error
from entitlements import access, facts, grants
from entitlements.models import Override
from events import clock
from pricing.models import Feature
from tests.api import api, token
from tests.entitlements.conftest import PURCHASE, a_version

FLAGS = "/ofrep/v1/evaluate/flags"

pytestmark = pytest.mark.django_db


def evaluate(client: Client, key: str = "", context: Any = None, **headers: str) -> Any:
    body = {} if context is None else {"context": context}
    path = f"{FLAGS}/{key}" if key else FLAGS
    return client.post(path, json.dumps(body), content_type="application/json", headers=headers)


@pytest.fixture
def granted() -> None:
    """Give anna four features for 30 days."""
    at = clock.now()
    version = a_version()
    grants.grant("anna", version, source=PURCHASE, starts_at=at, ends_at=at + timedelta(days=30), at=at)


def test_a_boolean_feature_is_a_boolean_flag(granted: None) -> None:
    answer = evaluate(api("anna"), "pdf", {"targetingKey": "anna", "shoe": {"size": 44}})

    said = answer.json()
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert (said["key"], said["value"], said["reason"], said["variant"]) == ("pdf", True, "TARGETING_MATCH", "granted")
    assert said["metadata"]["allowed"] is True
    assert "limit" not in said["metadata"]


def test_a_static_feature_is_a_flag_of_its_value(granted: None) -> None:
    said = evaluate(api("anna"), "help").json()

    assert (said["value"], said["reason"]) == ("mail", "TARGETING_MATCH")


def test_a_metered_feature_is_a_boolean_flag_that_tells_what_is_left(granted: None) -> None:
    said = evaluate(api("anna"), "calls").json()

    assert (said["value"], said["variant"]) == (True, "within_limit")
    told = said["metadata"]
    assert (told["limit"], told["used"], told["remaining"], told["unlimited"]) == (100, 0, 100, False)
    assert told["period_start"] < told["period_end"]


def test_metadata_is_flat(granted: None) -> None:
    """The protocol allows strings, numbers and booleans only."""
    for flag in evaluate(api("anna")).json()["flags"]:
        assert {type(value) for value in flag["metadata"].values()} <= {str, int, float, bool}


def test_without_a_grant_a_boolean_is_false_and_a_static_one_has_no_value(granted: None) -> None:
    """A flag without a value tells a provider to take the caller's own default."""
    pdf, help_ = (evaluate(api("ben"), key).json() for key in ("pdf", "help"))

    assert (pdf["value"], pdf["reason"], pdf["variant"]) == (False, "DEFAULT", "no_entitlement")
    assert "value" not in help_
    assert (help_["reason"], help_["variant"]) == ("DEFAULT", "no_entitlement")
    assert help_["metadata"]["allowed"] is False


def test_a_denial_by_staff_is_no_default(granted: None) -> None:
    at = clock.now()
    Override.objects.create(
        user_id="anna", feature_id="pdf", effect="deny", reason="asked", starts_at=at, created_at=at
    )

    said = evaluate(api("anna"), "pdf").json()

    assert (said["value"], said["reason"], said["variant"]) == (False, "TARGETING_MATCH", "override_deny")


def test_an_archived_feature_is_disabled(granted: None) -> None:
    Feature.objects.filter(code="pdf").update(archived_at=clock.now())

    said = evaluate(api("anna"), "pdf").json()

    assert (said["value"], said["reason"], said["variant"]) == (False, "DISABLED", "feature_archived")


def test_all_flags_come_at_once_granted_or_not(granted: None) -> None:
    flags = {flag["key"]: flag for flag in evaluate(api("anna")).json()["flags"]}

    assert list(flags) == sorted(Feature.objects.values_list("code", flat=True))
    assert (flags["pdf"]["value"], flags["charts"]["value"], flags["help"]["value"]) == (True, False, "mail")
    assert flags["calls"] == evaluate(api("anna"), "calls").json()


def test_nothing_changed_is_a_304(granted: None) -> None:
    client = api("anna")
    first = evaluate(client)
    etag = first.headers["ETag"]

    for known in (etag, etag.removeprefix("W/"), f'"other", {etag}', "*"):
        again = evaluate(client, **{"If-None-Match": known})
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", etag)
    assert evaluate(client, **{"If-None-Match": '"other"'}).status_code == 200
    assert evaluate(api("ben")).headers["ETag"] != etag


def test_a_change_is_no_304(granted: None) -> None:
    client = api("anna")
    etag = evaluate(client).headers["ETag"]

    at = clock.now()
    grants.revoke(PURCHASE, reason="refund", at=at)
    again = evaluate(client, **{"If-None-Match": etag})

    assert again.status_code == 200
    assert again.headers["ETag"] != etag
    assert {flag["value"] for flag in again.json()["flags"] if flag["key"] == "pdf"} == {False}


def test_a_hint_of_another_change_brings_an_answer(granted: None) -> None:
    """What a stream has told is newer than what is kept: no 304."""
    client = api("anna")
    etag = evaluate(client).headers["ETag"]

    hinted = client.post(
        f"{FLAGS}?flagConfigEtag=newer&flagConfigLastModified=1771622898",
        content_type="application/json",
        headers={"If-None-Match": etag},
    )

    assert hinted.status_code == 200


@pytest.mark.parametrize("key", ["no-such", "no.such", "a" * 300, "ключ"])
def test_an_unknown_flag_is_not_found(key: str) -> None:
    answer = evaluate(api("anna"), key)

    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json() == {
        "key": key,
        "errorCode": "FLAG_NOT_FOUND",
        "errorDetails": "There is no such object, or it is not yours.",
    }


def test_a_foreign_user_is_a_404() -> None:
    """A foreign object is a 404, the same as an absent one."""
    one = evaluate(api("anna"), "export", {"targetingKey": "ben"})
    all_ = evaluate(api("anna"), context={"targetingKey": "ben"})

    assert (one.status_code, one.json()["errorCode"]) == (404, "FLAG_NOT_FOUND")
    assert (all_.status_code, all_.json()["errorCode"]) == (404, "INVALID_CONTEXT")


def test_a_service_names_the_user(granted: None) -> None:
    service = api("shop", "service")

    for context in (None, {}, {"targetingKey": ""}):
        answer = evaluate(service, "pdf", context)
        assert (answer.status_code, answer.json()["errorCode"]) == (400, "TARGETING_KEY_MISSING")
    assert evaluate(service, context={}).json()["errorCode"] == "TARGETING_KEY_MISSING"
    assert evaluate(service, "pdf", {"targetingKey": "anna"}).json()["value"] is True


@pytest.mark.parametrize("context", [7, [], "anna", {"targetingKey": 7}, {"targetingKey": "a" * 256}])
def test_a_context_that_cannot_be_read_is_invalid(context: Any) -> None:
    answer = evaluate(api("anna"), "export", context)

    assert (answer.status_code, answer.json()["errorCode"]) == (400, "INVALID_CONTEXT")
    assert answer.json()["key"] == "export"


@pytest.mark.parametrize("body", ["{", "[]", '"x"', '{"context": {}, "context": {}}'])
def test_a_body_that_cannot_be_read_is_a_parse_error(body: str) -> None:
    answer = api("anna").post(f"{FLAGS}/export", body, content_type="application/json")

    assert (answer.status_code, answer.json()["errorCode"]) == (400, "PARSE_ERROR")


def test_no_body_is_an_empty_context() -> None:
    assert api("anna").post(f"{FLAGS}/export", content_type="application/json").status_code == 200


@pytest.mark.parametrize(
    ("send", "status"),
    [
        (lambda: evaluate(Client(), "export"), 401),
        (lambda: evaluate(api("anna"), "export", {}, **{"Content-Type": "text/plain"}), 415),
        (lambda: api("anna").get(f"{FLAGS}/export"), 405),
        (lambda: api("anna").post(f"{FLAGS}/export?nothing=1", content_type="application/json"), 400),
        (lambda: evaluate(api("anna"), "export", {"all": "x" * 70_000}), 413),
        (lambda: api("anna").post("/ofrep/v1/nothing"), 404),
    ],
)
def test_every_other_failure_has_the_protocols_body(send: Any, status: int) -> None:
    answer = send()

    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json()["errorCode"] == "GENERAL"
    assert isinstance(answer.json()["errorDetails"], str)


def test_a_fault_of_ours_has_the_protocols_body_too() -> None:
    answer = server_error(RequestFactory().post(f"{FLAGS}/export"))

    assert (answer.status_code, json.loads(answer.content)["errorCode"]) == (500, "GENERAL")


def test_a_scope_of_checks_is_needed() -> None:
    narrow, wide = (
        Client(headers={"Authorization": f"Bearer {token('shop', 'service', scope=scope)}"})
        for scope in ("usage:write", "check")
    )

    assert evaluate(narrow, "export", {"targetingKey": "anna"}).status_code == 403
    assert evaluate(wide, "export", {"targetingKey": "anna"}).status_code == 200


def test_one_request_too_many_says_when_to_come_back(settings: LazySettings) -> None:
    settings.RATE_LIMITED, settings.RATE_LIMITS = True, {**settings.RATE_LIMITS, "default": 1}
    client = api(f"hasty-{uuid4()}")

    answers = [evaluate(client, "export") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 429]
    assert int(answers[1].headers["Retry-After"]) >= 1
    assert answers[1].json()["errorCode"] == "GENERAL"


def test_a_page_of_an_allowed_origin_may_ask(settings: LazySettings) -> None:
    """Browsers ask first whether they may send If-None-Match, and read the ETag only when it is named."""
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example"]
    asked = Client().options(
        FLAGS,
        headers={
            "Origin": "https://app.example",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type,if-none-match",
        },
    )
    answer = evaluate(api("anna"), Origin="https://app.example")

    assert asked.headers["Access-Control-Allow-Origin"] == "https://app.example"
    assert "if-none-match" in asked.headers["Access-Control-Allow-Headers"]
    assert "ETag" in answer.headers["Access-Control-Expose-Headers"]
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_the_flag_says_what_the_check_says(granted: None) -> None:
    """One rule behind both doors."""
    known = facts.read("anna")

    said = {flag["key"]: flag["variant"] for flag in evaluate(api("anna")).json()["flags"]}

    decisions = access.answers(access.every_feature(known), at=clock.now())
    assert said == {one.feature_code: one.reason_code for one in decisions}
