from __future__ import annotations

from typing import Any
from uuid import UUID

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from config.api.authentication import principal
from config.api.doors import Door
from config.api.idempotency import IDEMPOTENCY_KEY, idempotency_key, made
from config.api.pagination import PageQuery, page, paged
from config.api.permissions import owner, subject
from config.api.reasons import CHANGE_REASON, reasoned
from config.api.strict import insist_on_nothing, sent
from entitlements import families, sharing
from entitlements.models import Family
from entitlements.serializers.families import FamilySerializer, MemberSerializer, NewFamily, NewOwner
from events import clock
from events.asking import Asking


class Families(Door):
    @extend_schema(request=NewFamily, responses={201: FamilySerializer}, parameters=[IDEMPOTENCY_KEY, CHANGE_REASON])
    def post(self, request: Request) -> Response:
        """Make a family that shares what its owner's family plans give."""
        said = sent(NewFamily, request)
        asking = Asking.of(principal(request).name, idempotency_key(request), said)
        user_id = subject(request, said.get("user_id", principal(request).user_id))
        with reasoned(request):
            family, replayed = families.create(user_id, name=said["name"], asking=asking, at=clock.now())
        return made(_shown(request, family), replayed)


class OneFamily(Door):
    @extend_schema(responses=FamilySerializer)
    def get(self, request: Request, id: UUID) -> Response:
        """Show a family to who is in it."""
        return Response(_shown(request, seen(request, id)))


class UserFamily(Door):
    @extend_schema(responses=FamilySerializer)
    def get(self, request: Request, user_id: str) -> Response:
        """Show the family that a user is in."""
        family = get_object_or_404(families.of_user(subject(request, user_id)))
        return Response(_shown(request, family))


class FamilyMembers(Door):
    @extend_schema(parameters=[PageQuery], responses=paged(MemberSerializer))
    def get(self, request: Request, id: UUID) -> Response:
        """List who is in a family, who came last first."""
        return Response(page(request, families.active(seen(request, id)), MemberSerializer))


class OneFamilyMember(Door):
    @extend_schema(parameters=[CHANGE_REASON], responses={204: None})
    def delete(self, request: Request, id: UUID, user_id: str) -> Response:
        """Take a member out of a family; its owner does."""
        with reasoned(request):
            families.remove(led(request, id), user_id, at=clock.now())
        return Response(status=204)


class LeaveFamily(Door):
    @extend_schema(request=None, responses={204: None})
    def post(self, request: Request, id: UUID) -> Response:
        """Leave a family; its owner cannot."""
        insist_on_nothing(request)
        user_id = principal(request).user_id
        families.leave(get_object_or_404(families.of_user(user_id), pk=id), user_id, at=clock.now())
        return Response(status=204)


class TransferFamily(Door):
    @extend_schema(request=NewOwner, responses=FamilySerializer, parameters=[CHANGE_REASON])
    def post(self, request: Request, id: UUID) -> Response:
        """Make another member the owner. What is shared stays its payer's while he is a member."""
        family = led(request, id)
        body = sent(NewOwner, request)
        with reasoned(request):
            family = families.transfer(family, body["user_id"], at=clock.now())
        return Response(_shown(request, family))


class CloseFamily(Door):
    @extend_schema(request=None, responses=FamilySerializer, parameters=[CHANGE_REASON])
    def post(self, request: Request, id: UUID) -> Response:
        """End a family; its owner does. May be repeated."""
        insist_on_nothing(request)
        with reasoned(request):
            family = families.close(led(request, id), at=clock.now())
        return Response(_shown(request, family))


def seen(request: Request, id: UUID) -> Family:
    """Find a family that the principal may see."""
    me = owner(request)
    family: Family = get_object_or_404(Family.objects.all() if me is None else families.seen_by(me), pk=id)
    return family


def led(request: Request, id: UUID) -> Family:
    """Find a family that the principal leads, or anybody's for an admin. To its other members it is a 404 too."""
    me = owner(request)
    family: Family = get_object_or_404(Family.objects.filter(**({} if me is None else {"owner_id": me})), pk=id)
    return family


def _shown(request: Request, family: Family) -> Any:
    seats, members = sharing.seats(family.pk, at=clock.now()), families.active(family).count()
    return FamilySerializer(family, context={"request": request, "seats": seats, "members": members}).data
