from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from config.api.authentication import principal
from config.api.doors import Door
from config.api.idempotency import IDEMPOTENCY_KEY, idempotency_key, made
from config.api.masking import seen_by
from config.api.permissions import owner
from config.api.strict import insist_on_nothing, sent
from entitlements import reservations
from entitlements.models import Reservation
from entitlements.serializers.reservations import CommitSaid, ReservationSaid, ReservationSerializer
from events import clock
from events.asking import Asking


class Reservations(Door):
    @extend_schema(request=ReservationSaid, responses={201: ReservationSerializer}, parameters=[IDEMPOTENCY_KEY])
    def post(self, request: Request) -> Response:
        """Hold units until they are used or given back. 409 when they do not fit: `code` is the reason."""
        said, now = sent(ReservationSaid, request), clock.now()
        row, replayed = reservations.reserve(
            said["user_id"],
            said["feature_code"],
            said["units"],
            expires_in=timedelta(seconds=said["expires_in"]),
            asking=Asking.of(principal(request).name, idempotency_key(request), said),
            now=now,
            metadata=said.get("metadata"),
        )
        shown = ReservationSerializer(reservations.seen(row, now=now), context=seen_by(request))
        return made(shown.data, replayed)


class OneReservation(Door):
    @extend_schema(responses=ReservationSerializer)
    def get(self, request: Request, id: UUID) -> Response:
        """Show what is held, or what became of it."""
        me = owner(request)
        rows = Reservation.objects.filter(**({} if me is None else {"user_id": me}))
        row = reservations.seen(get_object_or_404(rows, pk=id), now=clock.now())
        return Response(ReservationSerializer(row, context=seen_by(request)).data)


class ReservationCommit(Door):
    @extend_schema(request=CommitSaid, responses=ReservationSerializer)
    def post(self, request: Request, id: UUID) -> Response:
        """Count what was used of what is held, and give the rest back. May be repeated."""
        body = sent(CommitSaid, request)
        row, replayed = reservations.commit(
            get_object_or_404(Reservation, pk=id),
            units=body.get("units"),
            principal=principal(request).name,
            now=clock.now(),
        )
        return made(ReservationSerializer(row, context=seen_by(request)).data, replayed, status=200)


class ReservationRelease(Door):
    @extend_schema(request=None, responses=ReservationSerializer)
    def post(self, request: Request, id: UUID) -> Response:
        """Give back what is held. May be repeated."""
        insist_on_nothing(request)
        row, replayed = reservations.release(get_object_or_404(Reservation, pk=id), now=clock.now())
        return made(ReservationSerializer(row, context=seen_by(request)).data, replayed, status=200)
