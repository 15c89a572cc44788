"""Who shares what one pays for: they come, they go, and one leads."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.db import transaction

from entitlements import access, facts, families, grants, invitations, sharing
from entitlements.family_errors import (
    AlreadyInAFamily,
    FamilyClosed,
    InvitationNotOpen,
    NoFamilyPlan,
    NotAMember,
    OwnerCannotLeave,
    SeatLimitReached,
)
from entitlements.grants import Source
from entitlements.models import Entitlement, Epoch, Family, FamilyMember, SourceType
from events.asking import Asking, KeyReused
from events.models import Event
from pricing.models import PlanVersion
from tests.entitlements.conftest import DAY, SUBSCRIPTION, T0, a_version

END = T0 + 30 * DAY
NO_KEY = Asking("user:olga", None, "")

pytestmark = pytest.mark.django_db


def a_family_version(seats: int | None = 3, **said: Any) -> PlanVersion:
    version = a_version(plan_id="together", **said)
    PlanVersion.objects.filter(pk=version.pk).update(max_users=seats)
    version.refresh_from_db()
    return version


def give(user_id: str, version: PlanVersion, source: Source = SUBSCRIPTION, *, ends_at: datetime = END) -> None:
    grants.grant(user_id, version, source=source, starts_at=T0, ends_at=ends_at, at=T0)


def a_family(owner_id: str = "olga", *, seats: int = 3) -> Family:
    give(owner_id, a_family_version(seats), Source(SourceType.SUBSCRIPTION, f"sub-of-{owner_id}"))
    return families.create(owner_id, name="Home", asking=NO_KEY, at=T0)[0]


def join(family: Family, *users: str, at: datetime = T0) -> None:
    for user_id in users:
        row, _, _ = invitations.invite(family, user_id, asking=NO_KEY, at=at)
        invitations.accept(row, user_id, at=at)


def may(user_id: str, feature: str = "pdf", *, at: datetime = T0) -> bool:
    return access.check(user_id, feature, at=at).allowed


def told(family: Family) -> list[str]:
    rows = Event.objects.filter(object=f"family:{family.pk}").order_by("sequence")
    return [row.type.removeprefix("family.") for row in rows]


def version_of(user_id: str) -> int:
    return Epoch.objects.get(user_id=user_id).version


def test_a_family_shares_what_its_owner_s_plan_gives() -> None:
    """EN-10, PL-06."""
    family = a_family()
    join(family, "mia")

    decision = access.check("mia", "pdf", at=T0)

    assert (decision.allowed, decision.family_id) == (True, str(family.pk))
    assert facts.read("mia").family_id == family.pk
    assert not may("eve")
    assert told(family) == ["created", "member_invited", "member_joined"]


def test_without_a_family_plan_there_is_no_family() -> None:
    give("solo", a_version())
    give("one", a_family_version(1), Source(SourceType.SUBSCRIPTION, "sub-one"))
    give("was", a_family_version(3), Source(SourceType.SUBSCRIPTION, "sub-was"))

    for user_id, at in (("nobody", T0), ("solo", T0), ("one", T0), ("was", END)):
        with pytest.raises(NoFamilyPlan):
            families.create(user_id, name="", asking=NO_KEY, at=at)


def test_an_owner_has_one_open_family() -> None:
    family = a_family()

    with pytest.raises(AlreadyInAFamily):
        families.create("olga", name="", asking=NO_KEY, at=T0)
    families.close(family, at=T0)

    again, replayed = families.create("olga", name="", asking=NO_KEY, at=T0)
    assert (again.pk != family.pk, replayed) == (True, False)
    join(again, "mia")
    assert may("mia")


def test_a_member_cannot_make_a_family_of_his_own() -> None:
    join(a_family(), "mia")
    give("mia", a_family_version(), Source(SourceType.SUBSCRIPTION, "sub-of-mia"))

    with pytest.raises(AlreadyInAFamily):
        families.create("mia", name="", asking=NO_KEY, at=T0)


def test_the_same_key_makes_one_family() -> None:
    give("olga", a_family_version())
    asking = Asking.of("user:olga", "k-1", {"name": "Home"})

    made = [families.create("olga", name="Home", asking=asking, at=T0) for _ in range(2)]

    assert (made[0][0], [replayed for _, replayed in made]) == (made[1][0], [False, True])
    with pytest.raises(KeyReused):
        families.create("olga", name="Other", asking=Asking.of("user:olga", "k-1", {"name": "Other"}), at=T0)


def test_what_the_owner_buys_later_is_shared_too() -> None:
    family = a_family()
    join(family, "mia")
    before = version_of("mia")

    give("olga", a_family_version(features={"charts": {}}), Source(SourceType.SUBSCRIPTION, "sub-later"))

    assert may("mia", "charts")
    assert version_of("mia") > before


def test_what_a_plan_of_one_gives_the_owner_is_his_alone() -> None:
    join(a_family(), "mia")

    give("olga", a_version({"charts": {}}), Source(SourceType.SUBSCRIPTION, "sub-single"))

    assert may("olga", "charts")
    assert not may("mia", "charts")


def test_what_a_member_buys_is_his_alone() -> None:
    join(a_family(), "mia")

    give("mia", a_family_version(features={"charts": {}}), Source(SourceType.SUBSCRIPTION, "sub-of-mia"))

    assert not may("olga", "charts")


def test_a_plan_that_shares_no_longer_takes_it_back() -> None:
    """A downgrade to a plan of one."""
    join(a_family(), "mia")
    before = version_of("mia")

    give("olga", a_version(), Source(SourceType.SUBSCRIPTION, "sub-of-olga"))

    assert (may("olga"), may("mia")) == (True, False)
    assert version_of("mia") > before
    told_of = Event.objects.filter(type="entitlement.updated", subject="user:olga").order_by("-sequence")[0]
    assert (told_of.data["family_id"], told_of.data["before"]["family_id"] is None) == (None, False)


def test_access_of_the_family_ends_with_the_plan_by_the_clock() -> None:
    family = a_family()
    join(family, "mia")

    assert may("mia", at=END - DAY)
    assert not may("mia", at=END)
    assert sharing.seats(family.pk, at=END) == 0


def test_seats_count_the_owner_and_the_last_one_is_the_last() -> None:
    """Domain rules 1.7: an invitation holds no seat."""
    family = a_family(seats=3)
    waiting = [invitations.invite(family, user, asking=NO_KEY, at=T0)[0] for user in ("mia", "max", "moe")]

    for row in waiting[:2]:
        invitations.accept(row, row.user_id, at=T0)

    with pytest.raises(SeatLimitReached, match="All 3 seats"):
        invitations.accept(waiting[2], "moe", at=T0)
    assert not may("moe")
    families.remove(family, "mia", at=T0)
    invitations.accept(waiting[2], "moe", at=T0)
    assert may("moe")


def test_fewer_seats_remove_nobody_and_let_nobody_in() -> None:
    family = a_family(seats=4)
    join(family, "mia", "max")
    late, _, _ = invitations.invite(family, "moe", asking=NO_KEY, at=T0)

    give("olga", a_family_version(2), Source(SourceType.SUBSCRIPTION, "sub-of-olga"))

    assert (sharing.seats(family.pk, at=T0), families.active(family).count()) == (2, 3)
    assert [may(user) for user in ("olga", "mia", "max")] == [True] * 3
    with pytest.raises(SeatLimitReached):
        invitations.accept(late, "moe", at=T0)


@pytest.mark.usefixtures("books")
def test_a_removed_member_has_no_access_from_the_commit_on() -> None:
    version = PlanVersion.objects.get(plan_id="family-yearly")
    give_in_books("olga", version)
    family, _ = families.create("olga", name="", asking=NO_KEY, at=T0)
    join(family, "mia")
    known, before = facts.read("mia"), access.check("mia", "export", at=T0)

    families.remove(family, "mia", at=T0)

    after = facts.read("mia")
    assert (before.allowed, may("mia", "export")) == (True, False)
    assert (known.family_id, after.family_id) == (family.pk, None)
    assert after.version > known.version
    assert after.grants == {}


def give_in_books(user_id: str, version: PlanVersion) -> None:
    with transaction.atomic():
        give(user_id, version, Source(SourceType.SUBSCRIPTION, f"sub-of-{user_id}"))


def test_who_was_removed_can_come_again_in_a_row_of_his_own() -> None:
    family = a_family()
    join(family, "mia")
    families.remove(family, "mia", at=T0 + DAY)

    join(family, "mia", at=T0 + 2 * DAY)

    assert may("mia")
    rows = FamilyMember.objects.filter(user_id="mia").order_by("pk")
    assert [row.status for row in rows] == ["removed", "active"]
    assert [row.left_at for row in rows] == [T0 + DAY, None]


def test_a_member_leaves_and_the_owner_cannot() -> None:
    family = a_family()
    join(family, "mia")

    families.leave(family, "mia", at=T0)

    assert not may("mia")
    for parting in (families.leave, families.remove):
        with pytest.raises(OwnerCannotLeave):
            parting(family, "olga", at=T0)
        with pytest.raises(NotAMember):
            parting(family, "mia", at=T0)
    assert told(family)[-1] == "member_left"


def test_the_lead_moves_and_the_grants_stay_the_payer_s() -> None:
    """Domain rules 1.7: the owner who wants to leave gives the lead away first."""
    family = a_family()
    join(family, "mia", "max")

    families.transfer(family, "mia", at=T0)
    families.transfer(family, "mia", at=T0)

    family.refresh_from_db()
    assert family.owner_id == "mia"
    assert {row.user_id: row.role for row in families.active(family)} == {
        "olga": "member",
        "mia": "owner",
        "max": "member",
    }
    assert [may(user) for user in ("olga", "mia", "max")] == [True] * 3
    assert set(Entitlement.objects.values_list("user_id", flat=True)) == {"olga"}
    assert told(family).count("owner_changed") == 1
    give("olga", a_family_version(4), Source(SourceType.SUBSCRIPTION, "sub-of-olga"), ends_at=END + DAY)
    assert may("max", at=END)
    assert sharing.seats(family.pk, at=T0) == 4


def test_a_payer_who_leaves_takes_his_grants_with_him() -> None:
    family = a_family()
    join(family, "mia", "max")
    families.transfer(family, "mia", at=T0)

    families.leave(family, "olga", at=T0)

    assert [may(user) for user in ("olga", "mia", "max")] == [True, False, False]
    assert not Entitlement.objects.exclude(family_id=None).exists()


def test_the_new_owner_s_own_family_plan_is_shared_from_then_on() -> None:
    family = a_family()
    join(family, "mia", "max")
    give("mia", a_family_version(5, features={"charts": {}}), Source(SourceType.SUBSCRIPTION, "sub-of-mia"))

    families.transfer(family, "mia", at=T0)

    assert may("max", "charts")
    assert sharing.seats(family.pk, at=T0) == 5


def test_only_a_member_becomes_the_owner() -> None:
    family = a_family()
    invitations.invite(family, "mia", asking=NO_KEY, at=T0)

    with pytest.raises(NotAMember):
        families.transfer(family, "mia", at=T0)


def test_a_closed_family_has_nobody_and_shares_nothing() -> None:
    family = a_family()
    join(family, "mia")
    waiting, _, _ = invitations.invite(family, "max", asking=NO_KEY, at=T0)

    families.close(family, at=T0)
    families.close(family, at=T0 + DAY)

    family.refresh_from_db()
    assert family.closed_at == T0
    assert (may("olga"), may("mia")) == (True, False)
    assert not families.active(family).exists()
    assert told(family).count("closed") == 1
    over: tuple[Callable[[], object], ...] = (
        lambda: invitations.accept(waiting, "max", at=T0),
        lambda: invitations.decline(waiting, at=T0),
        lambda: invitations.invite(family, "moe", asking=NO_KEY, at=T0),
        lambda: families.remove(family, "mia", at=T0),
        lambda: families.transfer(family, "mia", at=T0),
    )
    for verb in over:
        with pytest.raises(FamilyClosed):
            verb()


def test_a_user_is_in_one_family_at_a_time() -> None:
    first, second = a_family("olga"), a_family("otto")
    rows = [invitations.invite(family, "mia", asking=NO_KEY, at=T0)[0] for family in (first, second)]
    invitations.accept(rows[0], "mia", at=T0)

    with pytest.raises(AlreadyInAFamily):
        invitations.accept(rows[1], "mia", at=T0)
    families.leave(first, "mia", at=T0)

    invitations.accept(rows[1], "mia", at=T0)
    assert access.check("mia", "pdf", at=T0).family_id == str(second.pk)


def test_an_invitation_ends_by_its_date() -> None:
    """No job must have run."""
    family = a_family()
    row, _, _ = invitations.invite(family, "mia", asking=NO_KEY, at=T0)
    assert row.expires_at == T0 + 7 * DAY

    with pytest.raises(InvitationNotOpen):
        invitations.accept(row, "mia", at=T0 + 7 * DAY)
    again, _, _ = invitations.invite(family, "mia", asking=NO_KEY, at=T0 + 7 * DAY)
    invitations.accept(again, "mia", at=T0 + 8 * DAY)

    row.refresh_from_db()
    assert row.status == "expired"


def test_every_step_is_told_once_under_the_owner() -> None:
    family = a_family()
    join(family, "mia", "max")
    declined, _, _ = invitations.invite(family, "moe", asking=NO_KEY, at=T0)
    invitations.decline(declined, at=T0)
    invitations.decline(declined, at=T0)
    withdrawn, _, _ = invitations.invite(family, "moe", asking=NO_KEY, at=T0)
    invitations.withdraw(withdrawn, at=T0)
    invitations.withdraw(withdrawn, at=T0)
    families.remove(family, "max", at=T0)

    rows = Event.objects.filter(object=f"family:{family.pk}").order_by("sequence")

    assert [row.type.removeprefix("family.") for row in rows] == [
        "created",
        *("member_invited", "member_joined") * 2,
        *("member_invited", "member_declined"),
        *("member_invited", "invitation_withdrawn"),
        "member_removed",
    ]
    assert {row.subject for row in rows} == {"user:olga"}
    assert "Home" not in str([row.data for row in rows])
