"""What staff and services give without a purchase, and change of a grant that is there (EN-05, EN-06, US-03)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction
from rest_framework.test import APIClient

from entitlements import access, amendments, awards, grants
from entitlements.awards import Gift
from entitlements.models import Award, Entitlement
from entitlements.staff_errors import EndsInThePast, HeldForMoney, NotChangeable
from events import clock
from events.asking import Asking
from events.models import Event
from pricing import plans
from tests.api import places
from tests.entitlements.conftest import DAY, SUBSCRIPTION, T0, TICK, Clients, a_version, history_of

URL = "/api/v1/entitlements"
NOBODY = Asking("admin:root", None, "")
Body = dict[str, Any]
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def catalog(db: None) -> None:
    """Features of each kind, in the plan `atlas`."""
    a_version()


@pytest.fixture
def root(client_of: Clients) -> APIClient:
    return client_of("admin", "root")


def post(client: APIClient, key: str = "", **said: Any) -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    return client.post(URL, {"user_id": "ann", "reason": "asked for", **said}, format="json", headers=headers)


def patch(client: APIClient, grant: Entitlement, **said: Any) -> Any:
    return client.patch(f"{URL}/{grant.pk}", {"reason": "asked for", **said}, format="json")


def a_gift(code: str = "pdf", *, ends_in: timedelta | None = None, **said: Any) -> Entitlement:
    """Give ann a feature from now on, and return the grant."""
    now = clock.now()
    gift = Gift(feature_code=code, ends_at=ends_in and now + ends_in, **said)
    award, _ = awards.give("ann", gift, reason="asked for", asking=NOBODY)
    return Entitlement.objects.get(source_id=str(award.pk))


def a_paid_one(**said: Any) -> Entitlement:
    now = clock.now()
    version = a_version({"pdf": {}, "charts": {}})
    said = {"source": SUBSCRIPTION, "ends_at": now + 30 * DAY, **said}
    rows = grants.grant("ann", version, starts_at=now, at=now, **said)
    return next(row for row in rows if row.feature_id == "pdf")


def reason(code: str, at: datetime | None = None) -> str:
    return str(access.check("ann", code, at=at or clock.now()).reason_code)


def test_a_plan_is_given_whole_by_a_decision_of_its_own(root: APIClient) -> None:
    """EN-05, PL-07: as it is sold now, for life when no end is named."""
    answer = post(root, plan_id="atlas", source_type="promotion", metadata={"campaign": "may"})

    assert answer.status_code == 201
    shown = answer.json()
    assert [row["feature_code"] for row in shown["entitlements"]] == ["calls", "disk", "help", "pdf"]
    assert {(row["source"]["type"], row["source"]["id"], row["expires_at"]) for row in shown["entitlements"]} == {
        ("promotion", shown["id"], None)
    }
    assert shown["entitlements"][0]["metadata"] == {"campaign": "may"}
    assert (shown["plan_id"], shown["feature_code"], shown["reason"]) == ("atlas", None, "asked for")
    assert [reason(code) for code in ("pdf", "calls", "help")] == ["granted", "within_limit", "granted"]
    assert {(event.actor, event.data["why"]) for event in Event.objects.filter(subject="user:ann")} == {
        ("admin:root", "asked for")
    }


@pytest.mark.parametrize(
    ("said", "value", "limit"),
    [
        ({"feature_code": "charts"}, None, None),
        ({"feature_code": "help", "value": "chat"}, "chat", None),
        ({"feature_code": "calls", "usage_limits": {"calls": {"limit": 7, "period": "day"}}}, None, 7),
        ({"feature_code": "calls", "usage_limits": {"calls": 9}}, None, 9),
        ({"feature_code": "disk", "usage_limits": {"disk": None}}, None, None),
    ],
)
def test_one_feature_is_given_alone_with_its_own_terms(root: APIClient, said: Body, value: Any, limit: Any) -> None:
    """US-03: a limit is said in the words of plans."""
    answer = post(root, **said)

    assert answer.status_code == 201
    decision = access.check("ann", said["feature_code"], at=clock.now())
    assert (decision.allowed, decision.value, decision.limit) == (True, value, limit)
    assert decision.unlimited == (said["feature_code"] == "disk")


def test_a_limit_that_is_said_stands_in_the_stead_of_the_plans(root: APIClient) -> None:
    limits = {"calls": {"limit": 5, "period": "week", "rollover_max": 2, "warn_at": [50]}}

    post(root, plan_id="atlas", usage_limits=limits)

    rows = {row.feature_id: row for row in Entitlement.objects.all()}
    assert (rows["calls"].limit, rows["calls"].period, rows["calls"].rollover_max) == (5, "week", 2)
    assert (rows["calls"].warn_at, rows["calls"].plan_id, rows["disk"].limit) == ([50], "atlas", 5)


@pytest.mark.parametrize(
    ("said", "status", "code", "place"),
    [
        ({}, 400, "invalid", "#/plan_id"),
        ({"plan_id": "atlas", "feature_code": "pdf"}, 400, "invalid", "#/plan_id"),
        ({"plan_id": "atlas", "value": 1}, 400, "invalid", "#/value"),
        ({"plan_id": "none"}, 404, "plan_not_found", "#/plan_id"),
        ({"plan_id": "draft"}, 409, "plan_not_for_sale", "#/plan_id"),
        ({"feature_code": "none"}, 404, "no_such_feature", "#/feature_code"),
        ({"feature_code": "pdf", "source_type": "subscription"}, 400, "invalid_choice", "#/source_type"),
        ({"feature_code": "pdf", "reason": ""}, 400, "blank", "#/reason"),
        ({"feature_code": "pdf", "family_id": "f"}, 400, "unknown_field", "#/family_id"),
        ({"feature_code": "pdf", "value": "x"}, 400, "does_not_fit", "#/value"),
        ({"feature_code": "help"}, 400, "does_not_fit", "#/value"),
        ({"feature_code": "help", "value": 3}, 400, "does_not_fit", "#/value"),
        ({"feature_code": "calls"}, 400, "usage_limits_wrong", "#/usage_limits/calls"),
        ({"feature_code": "calls", "value": 5}, 400, "usage_limits_wrong", "#/usage_limits/calls"),
        (
            {"feature_code": "calls", "value": 5, "usage_limits": {"calls": 1}},
            400,
            "does_not_fit",
            "#/value",
        ),
        ({"feature_code": "pdf", "usage_limits": {"calls": 1}}, 400, "usage_limits_wrong", "#/usage_limits/calls"),
        ({"plan_id": "atlas", "usage_limits": {"pdf": 1}}, 400, "usage_limits_wrong", "#/usage_limits/pdf"),
        ({"plan_id": "small", "usage_limits": {"calls": 1}}, 400, "usage_limits_wrong", "#/usage_limits/calls"),
        ({"plan_id": "atlas", "usage_limits": []}, 400, "usage_limits_wrong", "#/usage_limits"),
        (
            {"feature_code": "calls", "usage_limits": {"calls": {"limit": -1}}},
            400,
            "usage_limits_wrong",
            "#/usage_limits/calls/limit",
        ),
        (
            {"feature_code": "pdf", "starts_at": "2026-02-01T00:00:00Z", "expires_at": "2026-01-01T00:00:00Z"},
            400,
            "span_reversed",
            "#/expires_at",
        ),
    ],
)
def test_what_cannot_be_given_is_refused_by_name(
    root: APIClient, said: Body, status: int, code: str, place: str
) -> None:
    plans.add("draft", at=T0, name="Draft")
    a_version({"pdf": {}}, plan_id="small")

    answer = post(root, **said)

    assert answer.status_code == status
    assert [(error["pointer"], error["code"]) for error in answer.json()["errors"]] == [(place, code)]
    assert not Entitlement.objects.exists()
    assert not Award.objects.exists()


def test_a_replay_gives_nothing_twice(root: APIClient) -> None:
    first, again, other = (post(root, key="k-1", plan_id="atlas", **more) for more in ({}, {}, {"user_id": "bob"}))
    without = post(root, plan_id="atlas")

    assert [first.status_code, again.status_code, other.status_code, without.status_code] == [201, 201, 422, 201]
    assert again.json() == first.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (Award.objects.count(), Entitlement.objects.count(), len(history_of("ann"))) == (2, 8, 8)


def test_a_decision_that_was_made_never_changes(root: APIClient) -> None:
    a_gift()

    for change in (lambda: Award.objects.update(reason="another"), lambda: Award.objects.all().delete()):
        with pytest.raises(IntegrityError, match="a decision that was made is a fact"), transaction.atomic():
            change()


@pytest.mark.parametrize(
    ("role", "posted", "paid", "given"),
    [("user", 403, 403, 403), ("support", 403, 403, 403), ("service", 201, 403, 200), ("admin", 201, 200, 200)],
)
def test_services_give_and_only_an_admin_touches_what_was_paid_for(
    client_of: Clients, role: str, posted: int, paid: int, given: int
) -> None:
    client = client_of(role, "somebody")
    purchase, gift = a_paid_one(), a_gift("charts")

    answers = [
        post(client, feature_code="pdf"),
        patch(client, purchase, status="suspended"),
        patch(client, gift, status="suspended"),
    ]

    assert [answer.status_code for answer in answers] == [posted, paid, given]


def test_one_grant_is_shown_to_its_owner_and_to_nobody_elses_user(client_of: Clients) -> None:
    gift = a_gift()

    ann, bob, support = (
        client_of(*who).get(f"{URL}/{gift.pk}") for who in (("user", "ann"), ("user", "bob"), ("support",))
    )
    absent = client_of("user", "ann").get(f"{URL}/{uuid4()}")

    assert (ann.status_code, ann.json()["effective"], ann.json()["source"]["type"]) == (200, True, "manual")
    assert (bob.status_code, absent.status_code, support.status_code) == (404, 404, 200)


def test_a_grant_is_held_back_given_again_and_taken_for_good(root: APIClient) -> None:
    gift = a_gift()
    seen = []

    for status in ("suspended", "suspended", "active", "active", "revoked", "revoked"):
        answer = patch(root, gift, status=status)
        seen.append((answer.status_code, answer.json()["status"], answer.json()["reason"], reason("pdf")))

    assert seen == [
        (200, "suspended", "staff", "suspended_staff"),
        (200, "suspended", "staff", "suspended_staff"),
        (200, "active", "", "granted"),
        (200, "active", "", "granted"),
        (200, "revoked", "staff", "revoked"),
        (200, "revoked", "staff", "revoked"),
    ]
    assert [type for type, _ in history_of("ann")] == ["created", "suspended", "resumed", "revoked"]
    assert {event.data["why"] for event in Event.objects.filter(subject="user:ann")} == {"asked for"}


@pytest.mark.parametrize("spelling", ["canceled", "cancelled"])
def test_a_grant_that_is_canceled_ends_now(root: APIClient, spelling: str) -> None:
    """EN-02, ruling 2: both spellings are taken."""
    gift = a_gift()
    before = clock.now()

    shown = patch(root, gift, status=spelling).json()

    gift.refresh_from_db()
    assert gift.ends_at
    assert (shown["status"], shown["effective"], shown["reason"]) == ("canceled", False, "")
    assert before <= gift.ends_at <= clock.now()
    assert [reason("pdf", gift.ends_at + tick) for tick in (-TICK, 0 * TICK)] == ["granted", "canceled"]


def test_an_end_is_moved_and_holds_to_the_microsecond(root: APIClient) -> None:
    """EN-05, UpdateEntitlementExpiry."""
    gift = a_gift(ends_in=DAY)
    end = clock.now() + 40 * DAY

    moved = patch(root, gift, expires_at=end.isoformat())
    answers = [reason("pdf", end + tick) for tick in (-TICK, 0 * TICK, TICK)]
    for_life = patch(root, gift, expires_at=None)

    assert [moved.status_code, for_life.status_code] == [200, 200]
    assert answers == ["granted", "expired", "expired"]
    assert for_life.json()["expires_at"] is None
    assert reason("pdf", end + 9000 * DAY) == "granted"
    assert [type for type, _ in history_of("ann")] == ["created", "updated", "updated"]


def test_a_start_holds_to_the_microsecond() -> None:
    start = clock.now() + DAY
    a_gift(starts_at=start)

    assert [reason("pdf", start + tick) for tick in (-TICK, 0 * TICK)] == ["not_started", "granted"]


def test_a_grant_is_resumed_with_another_end_in_one_change(root: APIClient) -> None:
    gift = a_gift()
    patch(root, gift, status="suspended")
    end = clock.now() + DAY

    answer = patch(root, gift, status="active", expires_at=end.isoformat())

    gift.refresh_from_db()
    assert (answer.status_code, gift.status, gift.ends_at) == (200, "active", end)
    assert [type for type, _ in history_of("ann")] == ["created", "suspended", "resumed"]


@pytest.mark.parametrize(
    ("said", "place"),
    [
        ({}, "#/status"),
        ({"status": "expired"}, "#/status"),
        ({"status": "revoked", "expires_at": None}, "#/expires_at"),
        ({"status": "active", "reason": ""}, "#/reason"),
        ({"expires_at": "2026-02-01"}, "#/expires_at"),
        ({"status": "active", "limit": 5}, "#/limit"),
    ],
)
def test_a_change_that_says_nothing_sound_is_refused_by_name(root: APIClient, said: Body, place: str) -> None:
    answer = patch(root, a_gift(), **said)

    assert (answer.status_code, places(answer)) == (400, [place])


def test_what_was_paid_for_takes_no_other_end(root: APIClient) -> None:
    """It ends as its payment says; the answer names the way out."""
    paid = a_paid_one()

    answers = [patch(root, paid, expires_at=None), patch(root, paid, status="canceled")]

    assert [(answer.status_code, answer.json()["code"], places(answer)) for answer in answers] == [
        (409, "paid_grant", ["#/expires_at"]),
        (409, "paid_grant", ["#/status"]),
    ]
    assert "override" in answers[0].json()["detail"]
    assert [type for type, _ in history_of("ann")] == ["created", "created"]


@pytest.mark.parametrize("ending", ["canceled", "revoked"])
def test_what_has_ended_stays_ended(ending: str) -> None:
    gift = a_gift()
    amendments.amend(gift, {"status": ending}, reason="asked for")

    for said in ({"status": "active"}, {"status": "suspended"}, {"expires_at": clock.now() + DAY}):
        with pytest.raises(NotChangeable):
            amendments.amend(gift, said, reason="asked for")


def test_what_is_past_keeps_its_answer() -> None:
    """No end is moved once it has come, nor to a moment that has passed."""
    over = a_gift(starts_at=clock.now() - 3 * DAY, ends_in=-DAY)
    runs = a_gift("charts", starts_at=clock.now() - 3 * DAY)

    with pytest.raises(NotChangeable, match="over"):
        amendments.amend(over, {"expires_at": clock.now() + DAY}, reason="asked for")
    with pytest.raises(EndsInThePast):
        amendments.amend(runs, {"expires_at": clock.now() - DAY}, reason="asked for")


def test_what_money_holds_back_money_gives_back() -> None:
    paid = a_paid_one()
    grants.suspend(SUBSCRIPTION, reason="past_due", at=clock.now())

    for status in ("active", "suspended"):
        with pytest.raises(HeldForMoney, match="past_due"):
            amendments.amend(paid, {"status": status}, reason="asked for")

    assert amendments.amend(paid, {"status": "revoked"}, reason="fraud").status == "revoked"


def renew(days: int = 60, **said: Any) -> None:
    now = clock.now()
    version = a_version({"pdf": {}, "charts": {}})
    grants.grant("ann", version, source=SUBSCRIPTION, starts_at=now, ends_at=now + days * DAY, at=now, **said)


@pytest.mark.parametrize("keep", [True, False])
def test_one_feature_that_staff_hold_back_stays_so_and_the_rest_is_renewed(keep: bool) -> None:
    paid = a_paid_one()
    amendments.amend(paid, {"status": "suspended"}, reason="asked for")

    renew(keep_suspended=keep)

    assert [reason("pdf"), reason("charts", clock.now() + 45 * DAY)] == ["suspended_staff", "granted"]


def test_what_money_holds_back_beside_it_comes_back_with_money() -> None:
    paid = a_paid_one()
    amendments.amend(paid, {"status": "suspended"}, reason="asked for")
    grants.suspend(SUBSCRIPTION, reason="past_due", at=clock.now())
    held = [reason("pdf"), reason("charts")]

    renew()

    assert held == ["suspended_staff", "suspended_past_due"]
    assert [reason("pdf"), reason("charts")] == ["suspended_staff", "granted"]


def test_one_feature_that_staff_took_stays_away_and_the_rest_is_renewed() -> None:
    paid = a_paid_one()
    amendments.amend(paid, {"status": "revoked"}, reason="asked for")
    before = Entitlement.objects.values().get(pk=paid.pk)

    renew()

    assert [reason("pdf"), reason("charts", clock.now() + 45 * DAY)] == ["revoked", "granted"]
    assert Entitlement.objects.values().get(pk=paid.pk) == before


@pytest.mark.parametrize("verb", ["suspend", "revoke", "cancel", "shorten", "grant"])
def test_whatever_happens_to_money_leaves_a_gift_alone(verb: str) -> None:
    """A policy, a refund and a renewal name sources of money."""
    gift, now = a_gift("charts", ends_in=DAY), clock.now()
    a_paid_one()
    before = Entitlement.objects.values().get(pk=gift.pk)

    {
        "suspend": lambda: grants.suspend(SUBSCRIPTION, reason="dispute", at=now),
        "revoke": lambda: grants.revoke(SUBSCRIPTION, reason="refund", at=now),
        "cancel": lambda: grants.cancel(SUBSCRIPTION, at=now),
        "shorten": lambda: grants.shorten(SUBSCRIPTION, ends_at=now, grace_until=None, at=now),
        "grant": renew,
    }[verb]()

    assert Entitlement.objects.values().get(pk=gift.pk) == before
    assert reason("charts") == "granted"
