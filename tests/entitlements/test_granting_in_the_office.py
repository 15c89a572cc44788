"""Staff give access, hold it back, take it away and overrule it, each with a reason (AD-01, EN-05)."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from entitlements import access, grants
from entitlements.models import Award, Entitlement, Override
from events import clock
from events.models import Event
from tests.entitlements.conftest import DAY, SUBSCRIPTION, a_version
from tests.staff import log_in

LIST = "/admin/entitlements/entitlement/"
GRANT = f"{LIST}grant/"
OVERRIDES = "/admin/entitlements/override/"
EMPTY = dict.fromkeys(("plan", "feature", "starts_at_0", "starts_at_1", "expires_at_0", "expires_at_1"), "")
pytestmark = pytest.mark.django_db


@pytest.fixture
def root(client: Client) -> Client:
    a_version()
    return log_in(client, User.objects.create_superuser("root"))


@pytest.fixture
def support(db: None) -> Client:
    """Somebody who may look."""
    eva = User.objects.create_user("eva", is_staff=True)
    eva.user_permissions.set(Permission.objects.filter(codename__in=["view_entitlement", "view_override"]))
    return log_in(Client(), eva)


def grant(root: Client, **said: Any) -> Any:
    form = {**EMPTY, "key": str(uuid4()), "user_id": "ann", "source_type": "manual", "why": "asked for"}
    return root.post(GRANT, {**form, **said})


def act(root: Client, action: str, rows: list[Entitlement], why: str = "asked for") -> str:
    said = {"action": action, "_selected_action": [str(row.pk) for row in rows], "why": why}
    return root.post(LIST, said, follow=True).content.decode()


def overrule(root: Client, **said: Any) -> Any:
    form = dict.fromkeys(("starts_at_0", "starts_at_1", "ends_at_0", "ends_at_1", "limit", "ticket"), "")
    form |= {"user_id": "ann", "feature": "pdf", "effect": "deny", "operation": "set", "value": "null"}
    return root.post(f"{OVERRIDES}add/", {**form, "key": str(uuid4()), "why": "asked for", **said})


def reason(code: str) -> str:
    return str(access.check("ann", code, at=clock.now()).reason_code)


def test_the_list_leads_to_the_page_that_grants(root: Client) -> None:
    listed = root.get(LIST).content.decode()
    page = root.get(GRANT, {"user_id": "ann"}).content.decode()

    assert GRANT in listed
    assert all(f'name="{name}"' in page for name in ("user_id", "plan", "feature", "usage_limits", "value", "why"))
    assert 'value="ann"' in page
    assert "null</textarea>" not in page


def test_the_page_of_an_override_asks_for_everything_that_can_be_said(root: Client) -> None:
    page = root.get(f"{OVERRIDES}add/").content.decode()

    names = ("user_id", "feature", "effect", "value", "limit", "operation", "starts_at_0", "ends_at_0", "ticket", "why")
    assert [name for name in names if f'name="{name}"' not in page] == []
    assert "null</textarea>" not in page


def test_an_override_begins_when_it_is_said(root: Client) -> None:
    overrule(root, starts_at_0="2100-01-01", starts_at_1="00:00")

    assert Override.objects.get().starts_at.year == 2100


def test_a_plan_and_a_feature_are_granted_in_the_name_of_who_is_logged_in(root: Client) -> None:
    plan = grant(root, plan="atlas", source_type="promotion", expires_at_0="2100-01-01", expires_at_1="00:00")
    feature = grant(root, feature="calls", usage_limits='{"calls": {"limit": 5, "period": "day"}}')

    assert [plan.status_code, feature.status_code] == [302, 302]
    assert plan.headers["Location"] == f"{LIST}?q=ann"
    rows = Entitlement.objects.filter(source_type="promotion")
    assert {(row.feature_id, row.ends_at.year if row.ends_at else None) for row in rows} == {
        (code, 2100) for code in ("calls", "disk", "help", "pdf")
    }
    assert Entitlement.objects.get(source_type="manual").limit == 5
    events = Event.objects.filter(subject="user:ann")
    assert {(event.actor, event.data["why"]) for event in events} == {("staff:root", "asked for")}


def test_a_second_click_grants_nothing_twice(root: Client) -> None:
    key = str(uuid4())

    answers = [grant(root, plan="atlas", key=key) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [302, 302]
    assert Award.objects.count() == 1


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({}, "Name a plan or a feature"),
        ({"plan": "atlas", "feature": "pdf"}, "Name a plan or a feature"),
        ({"plan": "atlas", "why": ""}, "This field is required"),
        ({"feature": "calls"}, "say a number"),
        ({"feature": "calls", "usage_limits": "{"}, "Enter a valid JSON"),
        ({"feature": "help", "value": "5"}, "its value must be a text"),
        ({"feature": "pdf", "expires_at_0": "2000-01-01", "expires_at_1": "00:00"}, "Access cannot end"),
    ],
)
def test_what_cannot_be_granted_is_said_on_the_page(root: Client, said: dict[str, str], why: str) -> None:
    answer = grant(root, **said)

    assert answer.status_code == 200
    assert why in answer.content.decode()
    assert not Entitlement.objects.exists()


def test_grants_are_held_back_given_again_and_taken_with_a_reason(root: Client) -> None:
    grant(root, feature="pdf")
    rows = list(Entitlement.objects.all())

    seen = []
    for action in ("suspend", "resume", "revoke"):
        silent = act(root, action, rows, why="  ")
        act(root, action, rows)
        seen.append(("Nothing was changed" in silent, reason("pdf")))

    assert seen == [(True, "suspended_staff"), (True, "granted"), (True, "revoked")]
    last = Event.objects.filter(subject="user:ann").latest("sequence")
    assert (last.type, last.actor, last.data["why"]) == ("entitlement.revoked", "staff:root", "asked for")


def test_what_cannot_be_changed_is_named_and_the_rest_is_changed(root: Client) -> None:
    at = clock.now()
    grants.grant("ann", a_version({"charts": {}}), source=SUBSCRIPTION, starts_at=at, ends_at=at + DAY, at=at)
    grants.suspend(SUBSCRIPTION, reason="past_due", at=at)
    grant(root, feature="pdf")

    page = act(root, "suspend", list(Entitlement.objects.all()))

    assert "because of money (past_due)" in page
    assert "Now suspended: 1." in page
    assert [reason("charts"), reason("pdf")] == ["suspended_past_due", "suspended_staff"]


def test_who_may_only_look_grants_and_changes_nothing(root: Client, support: Client) -> None:
    grant(root, feature="pdf")
    rows = list(Entitlement.objects.all())

    answers = [support.get(GRANT), grant(support, feature="charts"), support.get(f"{OVERRIDES}add/")]
    act(support, "revoke", rows)
    listed = support.get(LIST).content.decode()

    assert [answer.status_code for answer in answers] == [403, 403, 403]
    assert (reason("pdf"), Entitlement.objects.count()) == ("granted", 1)
    assert GRANT not in listed


def test_an_override_is_added_and_taken_back_with_a_reason(root: Client) -> None:
    grant(root, feature="pdf")

    added = overrule(root, ticket="SUP-1")
    row = Override.objects.get()
    denied = reason("pdf")
    page = root.get(f"{OVERRIDES}{row.pk}/change/")
    changed = root.post(f"{OVERRIDES}{row.pk}/change/", {"effect": "allow"})
    root.post(f"{OVERRIDES}{row.pk}/delete/", {"post": "yes"})
    kept = reason("pdf")
    root.post(f"{OVERRIDES}{row.pk}/delete/", {"post": "yes", "why": "it is over"})

    assert (added.status_code, page.status_code, changed.status_code) == (302, 200, 403)
    assert (row.reason, row.ticket, row.actor, row.principal) == ("asked for", "SUP-1", "staff:root", "staff:root")
    assert [denied, kept, reason("pdf")] == ["override_deny", "override_deny", "granted"]
    told = Event.objects.filter(type__startswith="override.").order_by("sequence")
    assert [(event.type, event.data["why"]) for event in told] == [
        ("override.created", "asked for"),
        ("override.removed", "it is over"),
    ]
    assert root.get(f"{OVERRIDES}{row.pk}/delete/").status_code == 403
    assert root.get(f"{OVERRIDES}{row.pk}/change/").status_code == 200


def test_an_empty_limit_is_unlimited(root: Client) -> None:
    overrule(root, feature="calls", effect="value")

    assert access.check("ann", "calls", at=clock.now(), requested=10**9).unlimited


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"why": ""}, "This field is required"),
        ({"effect": "value"}, "it has no value to set"),
        ({"limit": "5"}, "takes a limit"),
        ({"feature": "help", "effect": "value", "value": "5"}, "its value must be a text"),
        ({"ends_at_0": "2000-01-01", "ends_at_1": "00:00"}, "Access cannot end"),
    ],
)
def test_an_override_that_means_nothing_is_refused_on_the_page(root: Client, said: dict[str, str], why: str) -> None:
    answer = overrule(root, **said)

    assert answer.status_code == 200
    assert why in answer.content.decode()
    assert not Override.objects.exists()
