from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import DateTimeField, QuerySet, Value
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from config.api.authentication import principal
from config.api.doors import Door
from config.api.idempotency import IDEMPOTENCY_KEY, idempotency_key, made
from config.api.masking import seen_by
from config.api.permissions import insist, owner
from config.api.strict import sent
from entitlements import amendments, awards
from entitlements.models import DECIDED, Award, Entitlement
from entitlements.serializers.checks import EntitlementSerializer
from entitlements.serializers.grants import Amendment, AwardSerializer, NewAward
from events import clock
from events.asking import Asking


class Entitlements(Door):
    @extend_schema(request=NewAward, responses={201: AwardSerializer}, parameters=[IDEMPOTENCY_KEY])
    def post(self, request: Request) -> Response:
        """Give a user access without a purchase: a plan's features, or one feature. Billing never touches it."""
        body = NewAward(data=request.data)
        body.is_valid(raise_exception=True)
        said = body.validated_data
        asking = Asking.of(principal(request).name, idempotency_key(request), said)
        award, replayed = awards.give(said["user_id"], body.gift(), reason=said["reason"], asking=asking)
        return made(_shown(request, award), replayed)


class OneEntitlement(Door):
    @extend_schema(responses=EntitlementSerializer)
    def get(self, request: Request, id: UUID) -> Response:
        """Show one grant as it is now."""
        return Response(_seen(request, self._find(request, id)))

    @extend_schema(request=Amendment, responses=EntitlementSerializer)
    def patch(self, request: Request, id: UUID) -> Response:
        """Suspend, resume, revoke or cancel one grant, or move its end, and say why."""
        body = sent(Amendment, request)
        grant = self._find(request, id)
        if grant.source_type not in DECIDED:
            insist(request, "hold back what was paid for")
        amendments.amend(grant, body, reason=body["reason"])
        return Response(_seen(request, self._find(request, id)))

    @staticmethod
    def _find(request: Request, id: UUID) -> Entitlement:
        user_id = owner(request)
        rows = _now() if user_id is None else _now().filter(user_id=user_id)
        return get_object_or_404(rows, pk=id)


def _now() -> QuerySet[Entitlement]:
    return Entitlement.objects.select_related("version").annotate(as_of=Value(clock.now(), DateTimeField()))


def _seen(request: Request, grant: Entitlement) -> Any:
    return EntitlementSerializer(grant, context=seen_by(request)).data


def _shown(request: Request, award: Award) -> Any:
    rows = _now().filter(source_type=award.source_type, source_id=str(award.pk)).order_by("feature_id")
    return AwardSerializer(award, context={**seen_by(request), "grants": rows}).data
