"""People who share what one of them pays for: who leads, who is in, who goes.

Each verb locks the family first, then the histories of its owner and of whom it concerns, and only then changes
members and grants: grants are given under the history of their user too, so neither can wait for the other.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import IntegrityError
from django.db.models import Q, QuerySet

from entitlements import grants, sharing
from entitlements.family_errors import AlreadyInAFamily, FamilyClosed, NoFamilyPlan, NotAMember, OwnerCannotLeave
from entitlements.models import Entitlement, Family, FamilyMember
from events import history
from events.asking import Asking, earlier
from events.transactions import whole

Status, Role = FamilyMember.Status, FamilyMember.Role


def create(owner_id: str, *, name: str, asking: Asking, at: datetime) -> tuple[Family, bool]:
    """Make a family, and let it share what its owner's family plans give. Returns it, and whether it is a replay.

    Raises NoFamilyPlan, AlreadyInAFamily, KeyReused.
    """
    try:
        return _create(owner_id, name, asking, at)
    except IntegrityError:
        if family := earlier(Family, asking):
            return family, True
        raise AlreadyInAFamily from None


@whole
def _create(owner_id: str, name: str, asking: Asking, at: datetime) -> tuple[Family, bool]:
    history.hold(history.user(owner_id))
    if before := earlier(Family, asking):
        return before, True
    if is_in_one(owner_id):
        raise AlreadyInAFamily
    if not sharing.has_family_plan(owner_id, at=at):
        raise NoFamilyPlan
    family = Family(owner_id=owner_id, name=name, created_at=at, **asking.columns)
    tell("created", family, at=at)
    family.save(force_insert=True)
    FamilyMember.objects.create(
        family=family,
        user_id=owner_id,
        role=Role.OWNER,
        status=Status.ACTIVE,
        status_at=at,
        invited_at=at,
        joined_at=at,
        principal=asking.principal,
    )
    grants.share(owner_id, family.pk, at=at)
    return family, False


@whole
def remove(family: Family, user_id: str, *, at: datetime) -> None:
    """Take a member out: what the family shares is his no longer, from the commit on.

    Raises NotAMember, OwnerCannotLeave, FamilyClosed.
    """
    _part(family, user_id, "member_removed", at)


@whole
def leave(family: Family, user_id: str, *, at: datetime) -> None:
    """Let a member go, by his own wish. Raises NotAMember, OwnerCannotLeave, FamilyClosed."""
    _part(family, user_id, "member_left", at)


@whole
def transfer(family: Family, user_id: str, *, at: datetime) -> Family:
    """Make a member the owner. May be repeated. Raises NotAMember, FamilyClosed.

    What is shared stays shared and stays its payer's, as long as he is a member. What the new owner's own family plans
    give is shared from now on too.
    """
    family = lock(family)
    if family.owner_id == user_id:
        return family
    member, old = _member(family, user_id), family.owner_id
    tell("owner_changed", family, at=at, user_id=user_id)
    history.hold(history.user(user_id))
    # One owner at any moment: the old one steps back first.
    FamilyMember.objects.filter(family=family, user_id=old, status=Status.ACTIVE).update(role=Role.MEMBER)
    FamilyMember.objects.filter(pk=member.pk).update(role=Role.OWNER)
    family.owner_id = user_id
    family.save(update_fields=["owner_id"])
    grants.share(user_id, family.pk, at=at)
    return family


@whole
def close(family: Family, *, at: datetime) -> Family:
    """End a family: nobody is in it any more, and its grants are their payers' alone. May be repeated."""
    family = Family.objects.select_for_update(no_key=True).get(pk=family.pk)
    if family.closed_at:
        return family
    members = list(active(family).order_by("user_id"))
    tell("closed", family, at=at, members=[member.user_id for member in members])
    payers = hold_payers(family)
    for member in members:
        _go(member, at)
    for row in FamilyMember.objects.filter(family=family, status=Status.INVITED).order_by("pk"):
        row.move_to(Status.EXPIRED, at=at)
    for payer in payers:
        grants.take_back(payer, family.pk, at=at)
    family.closed_at = at
    family.save(update_fields=["closed_at"])
    return family


def lock(family: Family) -> Family:
    """Lock a family until the transaction ends: all who come, go or lead wait here. Raises FamilyClosed."""
    family = Family.objects.select_for_update(no_key=True).get(pk=family.pk)
    if family.closed_at:
        raise FamilyClosed
    return family


def tell(what: str, family: Family, *, at: datetime, **said: Any) -> None:
    """Record what happened to a family, in the history of its owner."""
    history.record(
        f"family.{what}",
        subject=history.user(family.owner_id),
        object=f"family:{family.pk}",
        at=at,
        data={"family_id": str(family.pk), "owner_id": family.owner_id, **said},
    )


def active(family: Family) -> QuerySet[FamilyMember]:
    """Return who is in the family now."""
    return FamilyMember.objects.filter(family=family, status=Status.ACTIVE)


def is_in_one(user_id: str) -> bool:
    """Say whether the user is in any family."""
    return FamilyMember.objects.filter(user_id=user_id, status=Status.ACTIVE).exists()


def seen_by(user_id: str) -> QuerySet[Family]:
    """Return the families that a user may see: the one he is in, and those that he led to their end."""
    return Family.objects.filter(
        Q(owner_id=user_id) | Q(pk__in=FamilyMember.objects.filter(_in(user_id)).values("family_id"))
    )


def of_user(user_id: str) -> QuerySet[Family]:
    """Return the family that a user is in, as a set of one or none."""
    return Family.objects.filter(pk__in=FamilyMember.objects.filter(_in(user_id)).values("family_id"))


def leads(owner_id: str, user_id: str) -> bool:
    """Say whether the one is the owner of the family that the other is in."""
    members = FamilyMember.objects.filter(_in(user_id), family__owner_id=owner_id, family__closed_at=None)
    return members.exists()


def _in(user_id: str) -> Q:
    return Q(user_id=user_id, status=Status.ACTIVE)


def _member(family: Family, user_id: str) -> FamilyMember:
    member = active(family).filter(user_id=user_id).first()
    if member is None:
        raise NotAMember
    return member


def _part(family: Family, user_id: str, what: str, at: datetime) -> None:
    family = lock(family)
    member = _member(family, user_id)
    if member.role == Role.OWNER:
        raise OwnerCannotLeave
    tell(what, family, at=at, user_id=user_id)
    history.hold(history.user(user_id))
    _go(member, at)
    grants.take_back(user_id, family.pk, at=at)


def _go(member: FamilyMember, at: datetime) -> None:
    if member.move_to(Status.REMOVED, at=at):
        FamilyMember.objects.filter(pk=member.pk).update(left_at=at)


def hold_payers(family: Family) -> list[str]:
    """Wait for whoever changes what the family shares, let nobody change it now, and return whose it is.

    A change raises the versions of who is in the family: it would miss who comes in at the same moment.
    """
    shared = Entitlement.objects.filter(family_id=str(family.pk))
    payers = sorted(set(shared.values_list("user_id", flat=True)))
    for payer in payers:
        history.hold(history.user(payer))
    return payers
