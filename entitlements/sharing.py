"""Which grants a family shares, and how many may share them. Reads; writes nothing."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from entitlements.models import Entitlement, FamilyMember
from entitlements.spans import barred
from pricing.models import PlanVersion

# A plan for fewer is nobody's family plan.
SMALLEST = 2
Status = Entitlement.Status


def family_of(user_id: str, source_type: str, source_id: str, version: PlanVersion) -> str | None:
    """Return the family that shares what this source gives the user: None for a plan of one.

    It is the family that he owns; or, after he gave its lead away, the one that shares this source already.
    """
    if (version.max_users or 0) < SMALLEST:
        return None
    member = FamilyMember.objects.filter(user_id=user_id, status=FamilyMember.Status.ACTIVE).first()
    if member is None:
        return None
    rows = Entitlement.objects.filter(user_id=user_id, source_type=source_type, source_id=source_id)
    if member.role != FamilyMember.Role.OWNER and not rows.filter(family_id=str(member.family_id)).exists():
        return None
    return str(member.family_id)


def shareable(user_id: str) -> QuerySet[Entitlement]:
    """Return what family plans give the user, also what is held back or begins later."""
    running = (Status.ACTIVE, Status.SUSPENDED)
    return Entitlement.objects.filter(user_id=user_id, version__max_users__gte=SMALLEST, status__in=running)


def has_family_plan(user_id: str, *, at: datetime) -> bool:
    """Say whether a plan for several gives the user anything at `at`."""
    return _seats(shareable(user_id), at) > 0


def seats(family_id: UUID, *, at: datetime) -> int:
    """Return how many may be in the family at `at`, its owner included: the most that a plan it shares has.

    None of them loses his place when it falls; nobody new can come.
    """
    return _seats(Entitlement.objects.filter(family_id=str(family_id), version__max_users__isnull=False), at)


def _seats(rows: QuerySet[Entitlement], at: datetime) -> int:
    found = (row for row in rows.select_related("version") if barred(row, at) is None)
    return max((row.version.max_users or 0 for row in found if row.version), default=0)
