from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from events.asking import Keyed
from events.ids import uuid7
from events.moves import Moving, Table


class Family(Keyed):
    """People who share the grants of one payer, its owner. Seats are the plan's `max_users`, the owner's included."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    owner_id = models.CharField(max_length=255)
    name = models.CharField(max_length=255, blank=True)
    created_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "families"
        constraints = (
            models.UniqueConstraint(fields=["principal", "idempotency_key"], name="one_family_per_key"),
            models.UniqueConstraint(fields=["owner_id"], condition=Q(closed_at=None), name="one_open_family_per_owner"),
            models.CheckConstraint(condition=~Q(owner_id=""), name="family_has_an_owner"),
        )

    def __str__(self) -> str:
        return f"family of {self.owner_id}"


class FamilyMember(Moving, Keyed):
    """One person in one family: invited, then active, then gone. Who comes back has a new row.

    An invitation names the user, or none: then its secret lets in who has it, and only its hash is kept.
    """

    class Status(models.TextChoices):
        INVITED = "invited"
        ACTIVE = "active"
        REMOVED = "removed"
        DECLINED = "declined"
        EXPIRED = "expired"

    NEXT: ClassVar[Table] = {
        Status.INVITED: {Status.ACTIVE, Status.DECLINED, Status.EXPIRED},
        Status.ACTIVE: {Status.REMOVED},
        Status.REMOVED: set(),
        Status.DECLINED: set(),
        Status.EXPIRED: set(),
    }

    class Role(models.TextChoices):
        OWNER = "owner"
        MEMBER = "member"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    family = models.ForeignKey(Family, on_delete=models.PROTECT, related_name="members")
    user_id = models.CharField(max_length=255, blank=True)
    role = models.CharField(max_length=10, choices=Role, default=Role.MEMBER)
    secret_hash = models.CharField(max_length=64, blank=True)
    invited_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Of the invitation.")
    joined_at = models.DateTimeField(null=True, blank=True)
    left_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["principal", "idempotency_key"], name="one_invitation_per_key"),
            models.UniqueConstraint(
                fields=["user_id"], condition=Q(status="active"), name="one_family_at_a_time_per_user"
            ),
            models.UniqueConstraint(
                fields=["family"], condition=Q(status="active", role="owner"), name="one_owner_per_family"
            ),
            models.UniqueConstraint(
                fields=["family", "user_id"],
                condition=Q(status="invited") & ~Q(user_id=""),
                name="one_open_invitation_per_user",
            ),
            models.CheckConstraint(condition=~Q(status="active") | ~Q(user_id=""), name="active_member_has_a_user"),
        )
        indexes = (models.Index(fields=["family", "status"], name="family_members"),)

    def __str__(self) -> str:
        return f"{self.user_id or 'somebody'} in {self.family_id}: {self.status}"
