"""What can be wrong with a family. Each phrases itself; `field` names the input that is at fault."""

from __future__ import annotations

from entitlements.errors import EntitlementsError


class NoFamilyPlan(EntitlementsError):
    code = "no_family_plan"

    def __init__(self) -> None:
        super().__init__("No plan for two or more people gives this user anything now.")


class AlreadyInAFamily(EntitlementsError):
    code = "already_in_a_family"

    def __init__(self) -> None:
        super().__init__("The user is in a family already, and can be in one at a time.")


class FamilyClosed(EntitlementsError):
    code = "family_closed"

    def __init__(self) -> None:
        super().__init__("The family is closed.")


class SeatLimitReached(EntitlementsError):
    code = "seat_limit_reached"

    def __init__(self, seats: int):
        super().__init__(f"All {seats} seats of the family's plan are taken.")


class NotAMember(EntitlementsError):
    code = "not_a_member"
    field = "user_id"

    def __init__(self) -> None:
        super().__init__("The user is no member of this family.")


class OwnerCannotLeave(EntitlementsError):
    code = "owner_cannot_leave"

    def __init__(self) -> None:
        super().__init__("The owner cannot leave: make another member the owner first, or close the family.")


class AlreadyInvited(EntitlementsError):
    code = "already_invited"
    field = "user_id"

    def __init__(self) -> None:
        super().__init__("The user has an open invitation to this family.")


class TooManyInvitations(EntitlementsError):
    code = "too_many_invitations"

    def __init__(self, most: int):
        super().__init__(f"A family has at most {most} open invitations: withdraw some.")


class InvitationNotOpen(EntitlementsError):
    code = "invitation_not_open"

    def __init__(self) -> None:
        super().__init__("The invitation was answered or withdrawn, or its time is over.")
