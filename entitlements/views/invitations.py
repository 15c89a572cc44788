from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.db.models import DateTimeField, QuerySet, Value
from django.http import Http404
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
from config.api.strict import sent
from entitlements import invitations
from entitlements.models import FamilyMember
from entitlements.serializers.families import (
    Answer,
    InvitationMade,
    InvitationSerializer,
    MemberSerializer,
    NewInvitation,
)
from entitlements.views.families import led
from events import clock
from events.asking import Asking


class FamilyInvitations(Door):
    @extend_schema(parameters=[PageQuery], responses=paged(InvitationSerializer))
    def get(self, request: Request, id: UUID) -> Response:
        """List the invitations to a family, the answered ones too; its owner sees them."""
        rows = invitations.every().filter(family=led(request, id))
        return Response(page(request, _as_of_now(rows), InvitationSerializer))

    @extend_schema(request=NewInvitation, responses={201: InvitationMade}, parameters=[IDEMPOTENCY_KEY, CHANGE_REASON])
    def post(self, request: Request, id: UUID) -> Response:
        """Invite a user, or whoever has the secret that is shown this once. An invitation holds no seat."""
        family = led(request, id)
        said = sent(NewInvitation, request)
        asking = Asking.of(principal(request).name, idempotency_key(request), {**said, "family_id": str(id)})
        lives, at = timedelta(seconds=said["expires_in"]), clock.now()
        with reasoned(request):
            row, secret, replayed = invitations.invite(
                family, said.get("user_id", ""), lives=lives, asking=asking, at=at
            )
        shown = _as_of_now(FamilyMember.objects.filter(pk=row.pk)).get()
        return made(InvitationMade(shown, context={"request": request, "secret": secret}).data, replayed)


class UserInvitations(Door):
    @extend_schema(parameters=[PageQuery], responses=paged(InvitationSerializer))
    def get(self, request: Request, user_id: str) -> Response:
        """List the invitations that wait for a user's answer."""
        rows = invitations.to_user(subject(request, user_id), at=clock.now())
        return Response(page(request, _as_of_now(rows), InvitationSerializer))


class OneInvitation(Door):
    @extend_schema(parameters=[CHANGE_REASON], responses={204: None})
    def delete(self, request: Request, id: UUID) -> Response:
        """Take an invitation back; the family's owner does. May be repeated."""
        me = owner(request)
        rows = invitations.every().filter(**({} if me is None else {"family__owner_id": me}))
        row = get_object_or_404(rows.select_related("family"), pk=id)
        with reasoned(request):
            invitations.withdraw(row, at=clock.now())
        return Response(status=204)


class AcceptInvitation(Door):
    @extend_schema(request=Answer, responses=MemberSerializer)
    def post(self, request: Request, id: UUID) -> Response:
        """Join the family, if a seat is free. Only the invited user can; an open one takes its secret."""
        row = _mine(request, id)
        return Response(MemberSerializer(invitations.accept(row, principal(request).user_id, at=clock.now())).data)


class DeclineInvitation(Door):
    @extend_schema(request=Answer, responses={204: None})
    def post(self, request: Request, id: UUID) -> Response:
        """Say no. Only the invited user can; an open one takes its secret. May be repeated."""
        invitations.decline(_mine(request, id), at=clock.now())
        return Response(status=204)


def _mine(request: Request, id: UUID) -> FamilyMember:
    body = sent(Answer, request)
    row = invitations.find(id, user_id=principal(request).user_id, secret=body["secret"])
    if row is None:
        raise Http404
    return row


def _as_of_now(rows: QuerySet[FamilyMember]) -> QuerySet[FamilyMember]:
    return rows.annotate(as_of=Value(clock.now(), DateTimeField()))
