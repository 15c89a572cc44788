"""What staff say of one feature of one user: allow, deny, another value or limit, with a reason and an end."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction
from rest_framework.test import APIClient

from entitlements import access, awards, grants, overrides
from entitlements.awards import Gift
from entitlements.decisions import Decision
from entitlements.models import Entitlement, Epoch, Override, UsageCounter
from entitlements.overrides import Ruling
from events import clock
from events.asking import Asking
from events.models import Event
from pricing.models import Feature
from tests.api import api, places
from tests.entitlements.conftest import DAY, SUBSCRIPTION, TICK, Clients, a_version

URL = "/api/v1/overrides"
NOBODY = Asking("admin:root", None, "")
WHY = {"Change-Reason": "it is over"}
Body = dict[str, Any]


@pytest.fixture
def granted(db: None) -> None:
    """Let ann have pdf, 100 calls a month, disk and help until 30 days from now."""
    at = clock.now()
    Feature.objects.create(code="level", name="level", kind="static", value_type="enum", choices=["low", "high"])
    grants.grant("ann", a_version(), source=SUBSCRIPTION, starts_at=at, ends_at=at + 30 * DAY, at=at)


@pytest.fixture
def root(granted: None, client_of: Clients) -> APIClient:
    return client_of("admin", "root")


def post(client: APIClient, key: str = "", **said: Any) -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    return client.post(URL, {"user_id": "ann", "reason": "asked for", **said}, format="json", headers=headers)


def say(code: str, effect: str, **said: Any) -> Override:
    return overrides.add("ann", Ruling(code, effect, **said), reason="asked for", asking=NOBODY)[0]


def limit(value: int | None, operation: str = "set") -> Override:
    return say("calls", "value", has_limit=True, limit=value, operation=operation)


def decided(code: str, at: datetime | None = None, requested: int = 1) -> Decision:
    return access.check("ann", code, at=at or clock.now(), requested=requested)


def use(units: int) -> None:
    """Count what ann used of what she was granted, this month."""
    grant = Entitlement.objects.get(feature="calls")
    UsageCounter.objects.create(
        subject="user:ann", feature_id="calls", pool=grant.pk, period_start=grant.starts_at, used=units
    )


def test_an_override_counts_from_the_moment_it_is_made_and_is_told(root: APIClient) -> None:
    answer = post(root, feature_code="charts", effect="allow", ticket="SUP-1")

    decision = decided("charts")
    shown = answer.json()
    event = Event.objects.get(type="override.created")
    assert answer.status_code == 201
    assert (decision.allowed, decision.reason_code) == (True, "override_allow")
    assert decision.source
    assert (decision.source.type, decision.source.id) == ("override", shown["id"])
    assert (event.subject, event.object, event.actor) == ("user:ann", f"override:{shown['id']}", "admin:root")
    assert (event.data["effect"], event.data["ticket"], event.data["why"]) == ("allow", "SUP-1", "asked for")
    assert (shown["actor"], shown["removed_at"], shown["ends_at"]) == ("admin:root", None, None)


def test_an_override_is_removed_with_a_reason_and_stays_to_be_read(root: APIClient) -> None:
    made = post(root, feature_code="pdf", effect="deny").json()
    url = f"{URL}/{made['id']}"

    without = root.delete(url)
    denied = decided("pdf").reason_code
    answers = [root.delete(url, headers=WHY) for _ in range(2)]

    event = Event.objects.get(type="override.removed")
    row = Override.objects.get()
    assert (without.status_code, places(without), denied) == (400, ["Change-Reason"], "override_deny")
    assert [answer.status_code for answer in answers] == [204, 204]
    assert decided("pdf").reason_code == "granted"
    assert (event.object, event.data["why"]) == (f"override:{made['id']}", "it is over")
    assert root.get(url).json()["removed_at"] == row.removed_at.isoformat().replace("+00:00", "Z")  # type: ignore[union-attr]


def test_the_past_keeps_its_answer(granted: None) -> None:
    """Neither a start before it was said, nor its removal, changes what was."""
    before = clock.now()
    made = say("pdf", "deny", starts_at=before - DAY)
    during = clock.now()
    overrides.remove(made, reason="it is over")

    assert [decided("pdf", at).reason_code for at in (before, during)] == ["granted", "override_deny"]
    assert made.removed_at
    ends = [decided("pdf", made.removed_at + tick).allowed for tick in (-TICK, 0 * TICK)]
    starts = [decided("pdf", made.created_at + tick).allowed for tick in (-TICK, 0 * TICK)]
    assert (starts, ends) == ([True, False], [False, True])


def test_its_span_holds_to_the_microsecond(granted: None) -> None:
    start = clock.now() + DAY
    say("pdf", "deny", starts_at=start, ends_at=start + DAY)

    moments = [start - TICK, start, start + DAY - TICK, start + DAY]
    assert [decided("pdf", at).allowed for at in moments] == [True, False, False, True]


def test_a_deny_beats_every_grant_and_every_other_override(granted: None) -> None:
    say("pdf", "deny")
    say("pdf", "allow")
    awards.give("ann", Gift(feature_code="pdf"), reason="asked for", asking=NOBODY)
    say("calls", "deny")
    limit(None)

    assert [decided(code).reason_code for code in ("pdf", "calls")] == ["override_deny"] * 2


def test_an_allow_leaves_a_feature_the_value_that_was_granted(granted: None) -> None:
    say("help", "allow")

    found = decided("help")

    assert (found.value, found.reason_code) == ("mail", "override_allow")


@pytest.mark.parametrize(("effect", "code"), [("deny", "pdf"), ("allow", "charts")])
def test_what_an_override_alone_decides_ends_with_it(granted: None, effect: str, code: str) -> None:
    end = clock.now() + DAY
    say(code, effect, ends_at=end)

    assert decided(code).expires_at == end


def test_of_two_the_newest_counts(granted: None) -> None:
    say("help", "value", value="phone")
    newest = say("help", "value", value="chat")
    first = decided("help").value
    overrides.remove(newest, reason="it is over")

    assert [first, decided("help").value] == ["chat", "phone"]


def test_an_allow_gives_what_was_never_granted_or_has_ended(granted: None) -> None:
    later = clock.now() + 40 * DAY
    before = [decided(code, later).reason_code for code in ("pdf", "calls", "charts")]
    for code in ("pdf", "calls", "charts"):
        say(code, "allow")

    after = [decided(code, later, requested=10_000) for code in ("pdf", "calls", "charts")]
    assert before == ["expired", "expired", "no_entitlement"]
    assert [(one.allowed, one.reason_code) for one in after] == [(True, "override_allow")] * 3


@pytest.mark.parametrize(
    ("operation", "units", "total", "left"),
    [
        ("set", 500, 500, 440),
        ("set", 80, 80, 20),
        ("set", 10, 10, 0),
        ("set", None, None, None),
        ("add", 50, 150, 90),
        ("add", None, None, None),
        ("max", 500, 500, 440),
        ("max", 30, 100, 40),
        ("max", None, None, None),
    ],
)
def test_a_limit_is_set_added_to_or_raised_beside_what_was_used(
    granted: None, operation: str, units: int | None, total: int | None, left: int | None
) -> None:
    """100 calls a month are granted and 60 are used."""
    use(60)

    limit(units, operation)

    decision = decided("calls", requested=0)
    assert (decision.limit, decision.remaining, decision.used) == (total, left, 60)
    if left is None:
        assert decided("calls", requested=10**9).allowed
    else:
        assert [decided("calls", requested=asked).allowed for asked in (left, left + 1)] == [True, False]


@pytest.mark.parametrize(
    ("said", "status", "code", "place"),
    [
        ({"feature_code": "none", "effect": "deny"}, 404, "no_such_feature", "#/feature_code"),
        ({"feature_code": "pdf", "effect": "forbid"}, 400, "invalid_choice", "#/effect"),
        ({"feature_code": "pdf", "effect": "value"}, 400, "does_not_fit", "#/effect"),
        ({"feature_code": "pdf", "effect": "deny", "value": 1}, 400, "does_not_fit", "#/value"),
        ({"feature_code": "pdf", "effect": "allow", "limit": 1}, 400, "does_not_fit", "#/limit"),
        ({"feature_code": "calls", "effect": "allow", "limit": None}, 400, "does_not_fit", "#/limit"),
        ({"feature_code": "calls", "effect": "deny", "operation": "add"}, 400, "does_not_fit", "#/operation"),
        ({"feature_code": "calls", "effect": "value"}, 400, "does_not_fit", "#/limit"),
        ({"feature_code": "calls", "effect": "value", "limit": 1, "value": 1}, 400, "does_not_fit", "#/value"),
        ({"feature_code": "calls", "effect": "value", "limit": -1}, 400, "min_value", "#/limit"),
        (
            {"feature_code": "calls", "effect": "value", "limit": 1, "operation": "min"},
            400,
            "invalid_choice",
            "#/operation",
        ),
        ({"feature_code": "help", "effect": "value"}, 400, "does_not_fit", "#/value"),
        ({"feature_code": "help", "effect": "value", "value": 5}, 400, "does_not_fit", "#/value"),
        ({"feature_code": "help", "effect": "value", "value": "chat", "limit": 1}, 400, "does_not_fit", "#/limit"),
        ({"feature_code": "level", "effect": "value", "value": "middle"}, 400, "does_not_fit", "#/value"),
        (
            {"feature_code": "pdf", "effect": "deny", "ends_at": "2026-01-01T00:00:00Z"},
            400,
            "span_reversed",
            "#/ends_at",
        ),
        (
            {
                "feature_code": "pdf",
                "effect": "deny",
                "starts_at": "2020-01-01T00:00:00Z",
                "ends_at": "2021-01-01T00:00:00Z",
            },
            400,
            "ends_in_the_past",
            "#/ends_at",
        ),
        ({"feature_code": "pdf", "effect": "deny", "reason": ""}, 400, "blank", "#/reason"),
        ({"feature_code": "pdf", "effect": "deny", "actor": "eve"}, 400, "unknown_field", "#/actor"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(
    root: APIClient, said: Body, status: int, code: str, place: str
) -> None:
    answer = post(root, **said)

    assert answer.status_code == status
    assert [(error["pointer"], error["code"]) for error in answer.json()["errors"]] == [(place, code)]
    assert not Override.objects.exists()


def test_a_replay_says_it_once(root: APIClient) -> None:
    first, again = (post(root, key="k-1", feature_code="pdf", effect="deny") for _ in range(2))
    other = post(root, key="k-1", feature_code="pdf", effect="allow")

    assert [first.status_code, again.status_code, other.status_code] == [201, 201, 422]
    assert first.json() == again.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (Override.objects.count(), Event.objects.filter(type="override.created").count()) == (1, 1)


@pytest.mark.parametrize(
    ("role", "read", "written"),
    [("user", 403, 403), ("service", 200, 403), ("support", 200, 403), ("admin", 200, 201)],
)
def test_support_and_services_read_and_admins_write(
    granted: None, client_of: Clients, role: str, read: int, written: int
) -> None:
    made, client = say("pdf", "deny"), client_of(role, "ann")

    seen = [client.get(URL), client.get(f"{URL}/{made.pk}")]
    removed = client.delete(f"{URL}/{made.pk}", headers=WHY)

    assert {answer.status_code for answer in seen} == {read}
    assert post(client, feature_code="pdf", effect="deny").status_code == written
    assert (removed.status_code == 204) == (written == 201)


def test_overrides_are_found_by_user_and_feature(root: APIClient) -> None:
    for user, code in (("ann", "pdf"), ("ann", "charts"), ("bob", "pdf")):
        post(root, user_id=user, feature_code=code, effect="deny")

    found = [
        root.get(URL, query).json()["data"] for query in ({"user_id": "ann"}, {"user_id": "ann", "feature_code": "pdf"})
    ]

    assert [[row["feature_code"] for row in rows] for rows in found] == [["charts", "pdf"], ["pdf"]]
    assert root.get(f"{URL}/{uuid4()}").status_code == root.delete(f"{URL}/{uuid4()}", headers=WHY).status_code == 404


def test_what_was_said_never_changes(granted: None) -> None:
    made = say("pdf", "deny")
    overrides.remove(made, reason="it is over")

    for change in (
        lambda: Override.objects.update(effect="allow"),
        lambda: Override.objects.update(removed_at=None),
        lambda: Override.objects.all().delete(),
    ):
        with pytest.raises(IntegrityError, match="removed, never changed"), transaction.atomic():
            change()


@pytest.mark.usefixtures("books")
def test_access_changes_with_the_commit_and_not_before() -> None:
    """A reader beside an open transaction sees the old answer and the old version, then the new ones."""
    code = "export"

    def seen() -> tuple[bool, int]:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(_look, code).result()

    before = seen()
    with transaction.atomic():
        made = say(code, "allow")
        during = seen()
    after = seen()
    overrides.remove(made, reason="it is over")
    gone = seen()

    assert before == during
    assert [before[0], after[0], gone[0]] == [False, True, False]
    assert before[1] < after[1] < gone[1]


def _look(code: str) -> tuple[bool, int]:
    try:
        version = Epoch.objects.filter(user_id="ann").values_list("version", flat=True).first()
        return decided(code).allowed, version or 0
    finally:
        connection.close()


@pytest.mark.usefixtures("books")
def test_two_who_remove_it_at_once_remove_it_once() -> None:
    made = say("export", "deny")
    gate = threading.Barrier(2)

    def remove(_: int) -> int:
        try:
            client = api("root", "admin", **WHY)
            gate.wait()
            return client.delete(f"{URL}/{made.pk}").status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(remove, range(2)))

    assert answers == [204, 204]
    assert Event.objects.filter(type="override.removed").count() == 1
