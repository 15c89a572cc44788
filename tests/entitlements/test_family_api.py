"""Families over HTTP: whose is whose, what a secret opens, and what an owner sees of his family."""

from __future__ import annotations

import io
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from entitlements import families, grants, invitations
from entitlements.grants import Source
from entitlements.models import Family, FamilyMember, SourceType
from events import clock
from events.models import Event
from pricing.models import Plan
from tests import test_canaries
from tests.api import api, places
from tests.entitlements.conftest import DAY
from tests.entitlements.test_families import NO_KEY

log_lines = test_canaries.log_lines
V1 = "/api/v1"
JSON = "application/json"

pytestmark = pytest.mark.django_db


def give(user_id: str, plan_id: str = "family-yearly") -> None:
    version = Plan.objects.get(id=plan_id).current
    assert version
    at = clock.now()
    source = Source(SourceType.SUBSCRIPTION, f"{plan_id}-of-{user_id}")
    grants.grant(user_id, version, source=source, starts_at=at, ends_at=at + DAY, at=at)


@pytest.fixture
def family() -> Family:
    """Olga's, with Mia in it; Max has left."""
    give("olga")
    made, _ = families.create("olga", name="Home", asking=NO_KEY, at=clock.now())
    for user_id in ("mia", "max"):
        row, _, _ = invitations.invite(made, user_id, asking=NO_KEY, at=clock.now())
        invitations.accept(row, user_id, at=clock.now())
    families.leave(made, "max", at=clock.now())
    return made


def post(client: Client, path: str, body: dict[str, Any] | None = None, **headers: str) -> Any:
    return client.post(f"{V1}/{path}", body or {}, content_type=JSON, headers=headers)


def test_from_a_plan_to_two_people() -> None:
    """EN-10, PL-06: create, invite by a secret, accept, use."""
    give("olga")

    family = post(api("olga"), "families", {"name": "Home"}, **{"Idempotency-Key": "f-1"})
    again = post(api("olga"), "families", {"name": "Home"}, **{"Idempotency-Key": "f-1"})
    made = post(api("olga"), f"families/{family.json()['id']}/invitations", {"expires_in": 3600})
    joined = post(api("mia"), f"invitations/{made.json()['id']}/accept", {"secret": made.json()["secret"]})

    assert (family.status_code, again.status_code, again.headers["Idempotent-Replayed"]) == (201, 201, "true")
    assert family.json() == again.json()
    assert {**family.json(), "id": "", "created_at": ""} == {
        **{"id": "", "owner_id": "olga", "name": "Home", "seats": 6, "members": 1},
        **{"created_at": "", "closed_at": None},
    }
    assert (made.status_code, made.json()["user_id"], made.json()["open"]) == (201, None, True)
    assert (joined.status_code, joined.json()["user_id"], joined.json()["role"]) == (200, "mia", "member")
    decision = api("mia").get(f"{V1}/entitlements/check", {"feature_code": "export"}).json()
    assert (decision["allowed"], decision["family_id"]) == (True, family.json()["id"])


def test_a_secret_is_shown_once(family: Family) -> None:
    path, key = f"families/{family.pk}/invitations", {"Idempotency-Key": "i-1"}

    first, again = (post(api("olga"), path, **key) for _ in range(2))
    listed = api("olga").get(f"{V1}/{path}")

    assert first.json()["secret"].startswith("fbi_")
    assert (again.json()["id"], again.json()["secret"]) == (first.json()["id"], None)
    assert first.json()["secret"] not in listed.content.decode()
    assert "secret" not in listed.json()["data"][0]


def test_a_secret_rests_nowhere(family: Family, log_lines: io.StringIO) -> None:
    """SE-07: no column of any table holds it, and no line of the log."""
    made = post(api("olga"), f"families/{family.pk}/invitations").json()
    post(api("eve"), f"invitations/{made['id']}/accept", {"secret": made["secret"][:-1]})
    post(api("moe"), f"invitations/{made['id']}/accept", {"secret": made["secret"]})
    canaries = test_canaries.Canaries()

    canaries.learn(made["secret"], "of an invitation")
    count, found = test_canaries.resting(canaries)

    assert families.active(family).filter(user_id="moe").exists()
    assert (count > 100, found) == (True, [])
    assert made["secret"] not in log_lines.getvalue()


def test_who_is_in_a_family_sees_it_and_nobody_else_does(family: Family) -> None:
    """A stranger, whoever has left and whoever is only invited get what an absent family brings."""
    invitations.invite(family, "moe", asking=NO_KEY, at=clock.now())
    paths = [f"families/{family.pk}", f"families/{family.pk}/members"]

    for path in paths:
        for user_id, status in (("olga", 200), ("mia", 200), ("max", 404), ("moe", 404), ("eve", 404)):
            assert api(user_id).get(f"{V1}/{path}").status_code == status, (path, user_id)
        for role in ("service", "support", "admin"):
            assert api("x", role).get(f"{V1}/{path}").status_code == 200
    members = api("mia").get(f"{V1}/{paths[1]}").json()["data"]
    assert {(one["user_id"], one["role"]) for one in members} == {("mia", "member"), ("olga", "owner")}


def test_a_user_finds_his_family_and_his_invitations(family: Family) -> None:
    row, _, _ = invitations.invite(family, "moe", asking=NO_KEY, at=clock.now())

    mine = {user: api(user).get(f"{V1}/users/{user}/family") for user in ("olga", "mia", "max", "moe")}
    waiting = api("moe").get(f"{V1}/users/moe/invitations").json()["data"]

    assert {user: answer.status_code for user, answer in mine.items()} == {
        **{"olga": 200, "mia": 200},
        **{"max": 404, "moe": 404},
    }
    assert [(one["id"], one["family_id"], one["open"]) for one in waiting] == [(str(row.pk), str(family.pk), True)]
    for path in ("family", "invitations"):
        assert api("mia").get(f"{V1}/users/olga/{path}").status_code == 404


def led_by_another(family: Family) -> list[tuple[str, str, dict[str, Any] | None]]:
    waiting, _, _ = invitations.invite(family, "moe", asking=NO_KEY, at=clock.now())
    return [
        ("get", f"families/{family.pk}/invitations", None),
        ("post", f"families/{family.pk}/invitations", {"user_id": "eve"}),
        ("post", f"families/{family.pk}/transfer", {"user_id": "mia"}),
        ("post", f"families/{family.pk}/close", {}),
        ("delete", f"families/{family.pk}/members/mia", None),
        ("delete", f"invitations/{waiting.pk}", None),
    ]


@pytest.mark.parametrize("user_id", ["mia", "max", "eve"])
def test_what_only_the_owner_does_is_absent_for_all_others(family: Family, user_id: str) -> None:
    for method, path, body in led_by_another(family):
        answer = getattr(api(user_id), method)(f"{V1}/{path}", body, content_type=JSON)
        absent = api(user_id).get(f"{V1}/families/{uuid4()}")

        assert answer.status_code == 404, path
        assert {**answer.json(), "request_id": ""} == {**absent.json(), "request_id": ""}
    family.refresh_from_db()
    assert (family.owner_id, family.closed_at) == ("olga", None)


def test_the_owner_does_it(family: Family) -> None:
    """And whoever is the owner after him."""
    listed, invited, moved, closed, removed, withdrawn = led_by_another(family)

    for user_id, (method, path, body) in (
        ("olga", listed),
        ("olga", invited),
        ("olga", withdrawn),
        ("olga", moved),
        ("mia", (removed[0], removed[1].replace("/mia", "/olga"), None)),
        ("mia", closed),
    ):
        answer = getattr(api(user_id), method)(f"{V1}/{path}", body, content_type=JSON)
        assert 200 <= answer.status_code < 300, (path, answer.content)


def test_an_invitation_is_answered_by_whom_it_is_for(family: Family) -> None:
    """A wrong secret is a 404 like an invitation that never was."""
    named, _, _ = invitations.invite(family, "moe", asking=NO_KEY, at=clock.now())
    by_secret, secret, _ = invitations.invite(family, "", asking=NO_KEY, at=clock.now())

    for verb in ("accept", "decline"):
        for path, body in (
            (f"invitations/{named.pk}/{verb}", {}),
            (f"invitations/{by_secret.pk}/{verb}", {"secret": f"{secret}x"}),
            (f"invitations/{by_secret.pk}/{verb}", {}),
            (f"invitations/{uuid4()}/{verb}", {"secret": secret}),
        ):
            assert post(api("eve"), path, body).status_code == 404
        assert post(api("eve", "admin"), f"invitations/{named.pk}/{verb}").status_code == 403
    assert post(api("moe"), f"invitations/{named.pk}/decline").status_code == 204
    answer = post(api("moe"), f"invitations/{named.pk}/accept")
    assert (answer.status_code, answer.json()["code"]) == (409, "invitation_not_open")


def test_a_member_leaves_and_is_gone(family: Family) -> None:
    left = post(api("mia"), f"families/{family.pk}/leave")

    assert left.status_code == 204
    assert not api("mia").get(f"{V1}/entitlements/check", {"feature_code": "export"}).json()["allowed"]
    assert post(api("mia"), f"families/{family.pk}/leave").status_code == 404
    refused = post(api("olga"), f"families/{family.pk}/leave")
    assert (refused.status_code, refused.json()["code"]) == (409, "owner_cannot_leave")


@pytest.mark.parametrize(
    ("user_id", "method", "path", "body", "code"),
    [
        ("eve", "post", "families", {}, "no_family_plan"),
        ("mia", "post", "families", {}, "already_in_a_family"),
        ("olga", "post", "families", {}, "already_in_a_family"),
        ("olga", "post", "families/{id}/invitations", {"user_id": "mia"}, "already_in_a_family"),
        ("olga", "delete", "families/{id}/members/olga", None, "owner_cannot_leave"),
        ("olga", "delete", "families/{id}/members/max", None, "not_a_member"),
        ("olga", "post", "families/{id}/transfer", {"user_id": "max"}, "not_a_member"),
    ],
)
def test_what_cannot_be_is_named(
    family: Family, user_id: str, method: str, path: str, body: dict[str, Any] | None, code: str
) -> None:
    answer = getattr(api(user_id), method)(f"{V1}/{path.format(id=family.pk)}", body, content_type=JSON)

    assert (answer.status_code, answer.json()["code"]) == (404 if code == "not_a_member" else 409, code)


@pytest.mark.parametrize(
    ("path", "body", "place"),
    [
        ("families", {"name": 7}, "#/name"),
        ("families", {"nick": "x"}, "#/nick"),
        ("families/{id}/invitations", {"expires_in": 59}, "#/expires_in"),
        ("families/{id}/invitations", {"expires_in": 30 * 24 * 3600 + 1}, "#/expires_in"),
        ("families/{id}/transfer", {}, "#/user_id"),
        ("families/{id}/close", {"force": True}, "#/force"),
    ],
)
def test_what_is_malformed_is_refused_at_its_field(family: Family, path: str, body: dict[str, Any], place: str) -> None:
    answer = post(api("olga"), path.format(id=family.pk), body)

    assert (answer.status_code, places(answer)) == (400, [place])


def test_an_admin_gives_his_reason_and_history_keeps_it(family: Family) -> None:
    path = f"{V1}/families/{family.pk}/members/mia"

    refused = api("root", "admin").delete(path)
    done = api("root", "admin").delete(path, headers={"Change-Reason": "asked by phone"})

    assert (refused.status_code, places(refused)) == (400, ["Change-Reason"])
    assert done.status_code == 204
    told = Event.objects.get(type="family.member_removed")
    assert (told.data["why"], told.actor) == ("asked by phone", "admin:root")


def test_an_owner_asks_about_the_members_of_his_family(family: Family) -> None:
    """The column of the family owner: checks and entitlements of his members, and of nobody else."""
    give("mia", "pro-monthly")
    for client, user_id, status in (
        (api("olga"), "mia", 200),
        (api("olga"), "olga", 200),
        (api("olga"), "max", 404),
        (api("olga"), "eve", 404),
        (api("mia"), "olga", 404),
        (api("max"), "olga", 404),
        (api("eve"), "mia", 404),
    ):
        question = {"feature_code": "reports", "user_id": user_id}
        answers = [
            client.get(f"{V1}/entitlements/check", question),
            client.post(f"{V1}/entitlements/check", question, content_type=JSON),
            client.get(f"{V1}/users/{user_id}/entitlements"),
        ]
        assert [answer.status_code for answer in answers] == [status] * 3


def test_he_asks_no_longer_once_they_have_gone(family: Family) -> None:
    path = f"{V1}/users/mia/entitlements"
    before = api("olga").get(path).status_code

    families.leave(family, "mia", at=clock.now())

    assert (before, api("olga").get(path).status_code) == (200, 404)


def test_who_led_a_family_before_asks_no_longer(family: Family) -> None:
    families.transfer(family, "mia", at=clock.now())

    assert api("olga").get(f"{V1}/users/mia/entitlements").status_code == 404
    assert api("mia").get(f"{V1}/users/olga/entitlements").status_code == 200
    families.close(family, at=clock.now())
    assert api("mia").get(f"{V1}/users/olga/entitlements").status_code == 404


def test_support_sees_a_family_without_its_name(family: Family) -> None:
    assert api("sue", "support").get(f"{V1}/families/{family.pk}").json()["name"] == "***"
    assert api("sue", "admin").get(f"{V1}/families/{family.pk}").json()["name"] == "Home"


def test_an_invitation_shows_what_became_of_it(family: Family) -> None:
    listed = api("olga").get(f"{V1}/families/{family.pk}/invitations").json()["data"]

    assert [(one["user_id"], one["status"], one["open"]) for one in listed] == [
        ("max", "removed", False),
        ("mia", "active", False),
    ]
    assert FamilyMember.objects.count() == 3
