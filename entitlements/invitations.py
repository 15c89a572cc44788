"""How people come into a family. An invitation holds no seat: whoever accepts while one is free, has it."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from uuid import UUID

from django.db import IntegrityError
from django.db.models import QuerySet

from entitlements import families, sharing
from entitlements.family_errors import (
    AlreadyInAFamily,
    AlreadyInvited,
    InvitationNotOpen,
    SeatLimitReached,
    TooManyInvitations,
)
from entitlements.models import Family, FamilyMember
from events import history
from events.asking import Asking, earlier
from events.transactions import whole

Status = FamilyMember.Status
# What stands before a secret, so that scanners of leaked secrets know it.
PREFIX = "fbi_"
LIVES, LONGEST = timedelta(days=7), timedelta(days=30)
MOST_OPEN = 100


def invite(
    family: Family, user_id: str, *, lives: timedelta = LIVES, asking: Asking, at: datetime
) -> tuple[FamilyMember, str | None, bool]:
    """Invite a user, or with "" whoever has the secret. Returns the invitation, its secret, whether it is a replay.

    The secret is shown this once: only its hash is kept. Raises AlreadyInAFamily for a member of this family,
    AlreadyInvited, TooManyInvitations, FamilyClosed, KeyReused.
    """
    try:
        return _invite(family, user_id, lives, asking, at)
    except IntegrityError:
        if invitation := earlier(FamilyMember, asking):
            return invitation, None, True
        raise AlreadyInvited from None


@whole
def _invite(
    family: Family, user_id: str, lives: timedelta, asking: Asking, at: datetime
) -> tuple[FamilyMember, str | None, bool]:
    family = families.lock(family)
    if earlier_one := earlier(FamilyMember, asking):
        return earlier_one, None, True
    if user_id and families.active(family).filter(user_id=user_id).exists():
        raise AlreadyInAFamily
    for before in _waiting(family).filter(user_id=user_id).exclude(user_id=""):
        if is_open(before, at):
            raise AlreadyInvited
        _expire(before, at)
    if _waiting(family).filter(expires_at__gt=at).count() >= MOST_OPEN:
        raise TooManyInvitations(MOST_OPEN)
    secret = None if user_id else PREFIX + secrets.token_urlsafe(32)
    invitation = FamilyMember(
        family=family,
        user_id=user_id,
        status=Status.INVITED,
        status_at=at,
        secret_hash=_hash(secret) if secret else "",
        invited_at=at,
        expires_at=at + lives,
        **asking.columns,
    )
    _tell("member_invited", family, invitation, at)
    invitation.save(force_insert=True)
    return invitation, secret, False


def accept(invitation: FamilyMember, user_id: str, *, at: datetime) -> FamilyMember:
    """Let an invited user in, if a seat is free. May be repeated by him.

    Raises InvitationNotOpen, AlreadyInAFamily, SeatLimitReached, FamilyClosed.
    """
    try:
        return _accept(invitation, user_id, at)
    except IntegrityError:
        # Of two families at once the database lets one have him.
        raise AlreadyInAFamily from None


@whole
def _accept(invitation: FamilyMember, user_id: str, at: datetime) -> FamilyMember:
    family = families.lock(invitation.family)
    row = FamilyMember.objects.get(pk=invitation.pk)
    if row.status == Status.ACTIVE and row.user_id == user_id:
        return row
    _insist_on_open(row, at)
    if families.is_in_one(user_id):
        raise AlreadyInAFamily
    seats = sharing.seats(family.pk, at=at)
    if families.active(family).count() >= seats:
        raise SeatLimitReached(seats)
    families.hold_payers(family)
    # Who asks what he had at this moment waits: he may be in the family from it on.
    history.hold(history.user(user_id))
    row.user_id, row.joined_at = user_id, at
    _tell("member_joined", family, row, at)
    _settle(row, at)
    return row


@whole
def decline(invitation: FamilyMember, *, at: datetime) -> None:
    """Say no to an invitation. May be repeated. Raises InvitationNotOpen, FamilyClosed."""
    family = families.lock(invitation.family)
    row = FamilyMember.objects.get(pk=invitation.pk)
    if row.status == Status.DECLINED:
        return
    _insist_on_open(row, at)
    _tell("member_declined", family, row, at)
    row.move_to(Status.DECLINED, at=at)


@whole
def withdraw(invitation: FamilyMember, *, at: datetime) -> None:
    """Take an invitation back. May be repeated. Raises InvitationNotOpen for one that was answered."""
    family = families.lock(invitation.family)
    row = FamilyMember.objects.get(pk=invitation.pk)
    if row.status == Status.EXPIRED:
        return
    if row.status != Status.INVITED:
        raise InvitationNotOpen
    _tell("invitation_withdrawn", family, row, at)
    row.move_to(Status.EXPIRED, at=at)


def expire_all_due(*, at: datetime, limit: int = 1000) -> int:
    """Write down which invitations are over by their date, and return how many. No answer depends on it."""
    due = FamilyMember.objects.filter(status=Status.INVITED, expires_at__lte=at).select_related("family")
    return sum(_expire(row, at) for row in due.order_by("pk")[:limit])


def find(id: UUID, *, user_id: str, secret: str) -> FamilyMember | None:
    """Return the invitation that the user may answer: one to him, or an open one whose secret he has."""
    row = every().filter(pk=id).select_related("family").first()
    if row is None:
        return None
    if row.user_id:
        return row if row.user_id == user_id else None
    return row if secrets.compare_digest(row.secret_hash, _hash(secret)) else None


def every() -> QuerySet[FamilyMember]:
    """Return all invitations, the answered ones too. The first owner of a family was never invited."""
    return FamilyMember.objects.exclude(expires_at=None)


def to_user(user_id: str, *, at: datetime) -> QuerySet[FamilyMember]:
    """Return the invitations that wait for a user's answer."""
    return every().filter(user_id=user_id, status=Status.INVITED, expires_at__gt=at)


def is_open(row: FamilyMember, at: datetime) -> bool:
    """Say whether the invitation can still be answered: its end is a date, not a job."""
    return row.status == Status.INVITED and row.expires_at is not None and at < row.expires_at


def _insist_on_open(row: FamilyMember, at: datetime) -> None:
    if not is_open(row, at):
        raise InvitationNotOpen


def _waiting(family: Family) -> QuerySet[FamilyMember]:
    return FamilyMember.objects.filter(family=family, status=Status.INVITED)


@whole
def _expire(row: FamilyMember, at: datetime) -> bool:
    family = Family.objects.select_for_update(no_key=True).get(pk=row.family_id)
    row = FamilyMember.objects.get(pk=row.pk)
    if row.status != Status.INVITED:
        return False
    _tell("invitation_expired", family, row, at)
    return row.move_to(Status.EXPIRED, at=at)


def _settle(row: FamilyMember, at: datetime) -> None:
    """Write down who answered with a yes; his other invitations to this family are over."""
    for other in _waiting(row.family).filter(user_id=row.user_id).exclude(pk=row.pk):
        other.move_to(Status.EXPIRED, at=at)
    row.save(update_fields=["user_id", "joined_at"])
    row.move_to(Status.ACTIVE, at=at)


def _tell(what: str, family: Family, row: FamilyMember, at: datetime) -> None:
    ends = row.expires_at.isoformat() if row.expires_at else None
    families.tell(what, family, at=at, user_id=row.user_id, invitation_id=str(row.pk), expires_at=ends)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
