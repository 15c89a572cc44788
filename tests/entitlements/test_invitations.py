"""How people come into a family: by name, or by a secret that is shown once."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest

from entitlements import families, invitations
from entitlements.family_errors import AlreadyInAFamily, AlreadyInvited, InvitationNotOpen, TooManyInvitations
from entitlements.models import FamilyMember
from events.asking import Asking, KeyReused
from events.models import Event
from tests.entitlements.conftest import DAY, T0, TICK
from tests.entitlements.test_families import NO_KEY, a_family, join, may

pytestmark = pytest.mark.django_db


def test_whoever_has_the_secret_comes_in_once() -> None:
    family = a_family()
    row, secret, _ = invitations.invite(family, "", asking=NO_KEY, at=T0)
    assert secret

    found = invitations.find(row.pk, user_id="mia", secret=secret)
    assert found
    invitations.accept(found, "mia", at=T0)

    assert may("mia")
    assert invitations.find(row.pk, user_id="max", secret=secret) is None
    assert invitations.accept(row, "mia", at=T0).status == "active"
    with pytest.raises(InvitationNotOpen):
        invitations.accept(row, "max", at=T0)


def test_another_secret_or_another_user_finds_nothing() -> None:
    family = a_family()
    open_one, secret, _ = invitations.invite(family, "", asking=NO_KEY, at=T0)
    named, none, _ = invitations.invite(family, "mia", asking=NO_KEY, at=T0)
    other, _, _ = invitations.invite(family, "", asking=NO_KEY, at=T0)
    owner = FamilyMember.objects.get(user_id="olga")

    for id, user_id, said in (
        (open_one.pk, "mia", ""),
        (open_one.pk, "mia", f"{secret}x"),
        (open_one.pk, "mia", open_one.secret_hash),
        (other.pk, "mia", secret),
        (named.pk, "max", secret),
        (named.pk, "max", ""),
        (owner.pk, "olga", ""),
    ):
        assert invitations.find(id, user_id=user_id, secret=said or "") is None
    assert none is None


def test_of_a_secret_only_its_hash_is_kept() -> None:
    """SE-07: neither the row nor history holds it."""
    family = a_family()
    row, secret, _ = invitations.invite(family, "", asking=NO_KEY, at=T0)
    assert secret
    invitations.accept(row, "mia", at=T0)

    kept = FamilyMember.objects.filter(pk=row.pk).values().get()

    assert kept["secret_hash"] == hashlib.sha256(secret.encode()).hexdigest()
    assert secret not in str(kept)
    for event in Event.objects.all():
        assert secret not in str(event.data)
        assert kept["secret_hash"] not in str(event.data)


def test_a_repeated_request_brings_the_invitation_without_its_secret() -> None:
    family = a_family()
    asking = Asking.of("user:olga", "k-1", {})

    first, second = (invitations.invite(family, "", asking=asking, at=T0) for _ in range(2))

    assert (first[0], second[0], second[1:]) == (second[0], first[0], (None, True))
    with pytest.raises(KeyReused):
        invitations.invite(family, "mia", asking=Asking.of("user:olga", "k-1", {"user_id": "mia"}), at=T0)


def test_a_user_has_one_open_invitation_to_a_family() -> None:
    family = a_family()
    invitations.invite(family, "mia", asking=NO_KEY, at=T0)

    with pytest.raises(AlreadyInvited):
        invitations.invite(family, "mia", asking=NO_KEY, at=T0)


def test_nobody_is_invited_to_where_he_is() -> None:
    family = a_family()
    join(family, "mia")

    for user_id in ("mia", "olga"):
        with pytest.raises(AlreadyInAFamily):
            invitations.invite(family, user_id, asking=NO_KEY, at=T0)


def test_who_comes_by_a_secret_needs_his_own_invitation_no_more() -> None:
    family = a_family()
    named, _, _ = invitations.invite(family, "mia", asking=NO_KEY, at=T0)
    by_secret, _, _ = invitations.invite(family, "", asking=NO_KEY, at=T0)

    invitations.accept(by_secret, "mia", at=T0)

    named.refresh_from_db()
    assert named.status == "expired"
    families.leave(family, "mia", at=T0)
    with pytest.raises(InvitationNotOpen):
        invitations.accept(named, "mia", at=T0)


@pytest.mark.parametrize(("after", "is_open"), [(-TICK, True), (timedelta(0), False)])
def test_it_can_be_answered_until_its_last_moment(after: timedelta, is_open: bool) -> None:
    row, _, _ = invitations.invite(a_family(), "mia", lives=DAY, asking=NO_KEY, at=T0)

    assert invitations.is_open(row, T0 + DAY + after) == is_open
    assert invitations.to_user("mia", at=T0 + DAY + after).exists() == is_open


def test_an_answer_stands() -> None:
    family = a_family(seats=9)
    rows = {who: invitations.invite(family, who, asking=NO_KEY, at=T0)[0] for who in ("yes", "no", "none", "gone")}
    invitations.accept(rows["yes"], "yes", at=T0)
    invitations.decline(rows["no"], at=T0)
    invitations.withdraw(rows["none"], at=T0)
    invitations.accept(rows["gone"], "gone", at=T0)
    families.remove(family, "gone", at=T0)

    for who in ("no", "none", "gone"):
        with pytest.raises(InvitationNotOpen):
            invitations.accept(rows[who], who, at=T0)
    for who in ("yes", "none", "gone"):
        with pytest.raises(InvitationNotOpen):
            invitations.decline(rows[who], at=T0)
    for who in ("yes", "no", "gone"):
        with pytest.raises(InvitationNotOpen):
            invitations.withdraw(rows[who], at=T0)
    assert [may(who) for who in rows] == [True, False, False, False]


def test_open_invitations_are_not_without_number() -> None:
    """API4:2023."""
    family = a_family()
    for _ in range(invitations.MOST_OPEN):
        invitations.invite(family, "", asking=NO_KEY, at=T0)

    with pytest.raises(TooManyInvitations):
        invitations.invite(family, "", asking=NO_KEY, at=T0)

    assert invitations.invite(family, "", asking=NO_KEY, at=T0 + 7 * DAY)[1]


def test_a_job_writes_down_what_is_over_and_tells_it_once() -> None:
    family = a_family()
    over, _, _ = invitations.invite(family, "mia", lives=DAY, asking=NO_KEY, at=T0)
    waiting, _, _ = invitations.invite(family, "max", asking=NO_KEY, at=T0)

    written = [invitations.expire_all_due(at=T0 + DAY) for _ in range(2)]

    assert written == [1, 0]
    assert [FamilyMember.objects.get(pk=row.pk).status for row in (over, waiting)] == ["expired", "invited"]
    assert Event.objects.filter(type="family.invitation_expired").count() == 1


def test_a_family_that_is_closed_waits_for_nobody() -> None:
    """Its invitations are over in its own list too, and the invited user may be asked elsewhere."""
    family = a_family()
    row, _, _ = invitations.invite(family, "mia", asking=NO_KEY, at=T0)

    families.close(family, at=T0)

    assert FamilyMember.objects.get(pk=row.pk).status == "expired"
    assert not invitations.to_user("mia", at=T0).exists()
