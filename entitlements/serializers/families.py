from __future__ import annotations

from typing import Any

from rest_framework import serializers

from config.api import fields
from config.api.kept import Kept
from config.api.masking import Masked, hidden
from config.api.strict import Strict
from entitlements import invitations
from entitlements.models import Family, FamilyMember


class NewFamily(Strict):
    """A family of a user whom a plan for several gives something."""

    user_id = fields.Text(required=False, max_length=255, help_text="Its owner: the caller himself when left out.")
    name = fields.Text(required=False, max_length=255, allow_blank=True, default="")


class NewInvitation(Strict):
    """An invitation to one user, or without one to whoever has its secret."""

    user_id = fields.Text(required=False, max_length=255)
    expires_in = fields.Integer(
        min_value=60,
        max_value=int(invitations.LONGEST.total_seconds()),
        default=int(invitations.LIVES.total_seconds()),
        help_text="In seconds; 30 days at most.",
    )


class Answer(Strict):
    """What an invited user says beside his token."""

    secret = fields.Text(required=False, max_length=255, allow_blank=True, default="", help_text="Of an open one.")


class NewOwner(Strict):
    """Who leads the family from now on."""

    user_id = fields.Text(max_length=255, help_text="A member of the family.")


class FamilySerializer(Masked, serializers.ModelSerializer[Family]):
    """A family. `seats` is the most that a plan it shares has now, `members` how many are in it, the owner included."""

    masked = {"name": hidden}
    seats = serializers.SerializerMethodField()
    members = serializers.SerializerMethodField()

    class Meta:
        model = Family
        fields = ("id", "owner_id", "name", "seats", "members", "created_at", "closed_at")

    def get_seats(self, _family: Family) -> int:
        """Show what the view has counted."""
        return int(self.context["seats"])

    def get_members(self, _family: Family) -> int:
        """Show what the view has counted."""
        return int(self.context["members"])


class MemberSerializer(Kept, serializers.ModelSerializer[FamilyMember]):
    """One person who is in a family."""

    role = serializers.ChoiceField(choices=FamilyMember.Role.choices)

    class Meta:
        model = FamilyMember
        fields = ("id", "family_id", "user_id", "role", "joined_at")


class InvitationSerializer(Kept, serializers.ModelSerializer[FamilyMember]):
    """An invitation, and what became of whom it let in. `user_id` null: whoever has the secret may answer it."""

    user_id = serializers.SerializerMethodField()
    status = serializers.ChoiceField(choices=FamilyMember.Status.choices)
    open = serializers.SerializerMethodField()

    class Meta:
        model = FamilyMember
        fields = ("id", "family_id", "user_id", "status", "open", "invited_at", "expires_at", "joined_at", "left_at")

    def get_user_id(self, row: FamilyMember) -> str | None:
        """Name the user; null when it is open to whoever has the secret."""
        return row.user_id or None

    def get_open(self, row: FamilyMember) -> bool:
        """Compare its end with the moment that the row was annotated with."""
        return invitations.is_open(row, row.as_of)  # type: ignore[attr-defined]


class InvitationMade(InvitationSerializer):
    """An invitation with its secret, which is shown this once."""

    secret = serializers.SerializerMethodField()

    class Meta:
        model = FamilyMember
        fields = (*InvitationSerializer.Meta.fields, "secret")

    def get_secret(self, _row: FamilyMember) -> str | None:
        """Show the secret of an open invitation once; a repeated request gets null."""
        secret: Any = self.context["secret"]
        return str(secret) if secret else None
