from __future__ import annotations

from uuid import UUID

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from config.api.authentication import principal
from config.api.doors import Door
from config.api.idempotency import IDEMPOTENCY_KEY, idempotency_key, made
from config.api.pagination import PageQuery, page, paged
from config.api.reasons import NEEDED_REASON, change_reason
from config.api.strict import valid
from entitlements import overrides
from entitlements.models import Override
from entitlements.serializers.overrides import NewOverride, OverrideQuery, OverrideSerializer
from events.asking import Asking


class Overrides(Door):
    @extend_schema(parameters=[OverrideQuery, PageQuery], responses=paged(OverrideSerializer))
    def get(self, request: Request) -> Response:
        """List overrides, newest first, the removed ones too."""
        asked = valid(OverrideQuery, request)
        rows = Override.objects.all()
        if "user_id" in asked:
            rows = rows.filter(user_id=asked["user_id"])
        if "feature_code" in asked:
            rows = rows.filter(feature=asked["feature_code"])
        return Response(page(request, rows, OverrideSerializer))

    @extend_schema(request=NewOverride, responses={201: OverrideSerializer}, parameters=[IDEMPOTENCY_KEY])
    def post(self, request: Request) -> Response:
        """Allow or deny a user a feature, or give it another value or limit. It counts at commit."""
        body = NewOverride(data=request.data)
        body.is_valid(raise_exception=True)
        said = body.validated_data
        asking = Asking.of(principal(request).name, idempotency_key(request), said)
        override, replayed = overrides.add(said["user_id"], body.ruling(), reason=said["reason"], asking=asking)
        return made(OverrideSerializer(override).data, replayed)


class OneOverride(Door):
    @extend_schema(responses=OverrideSerializer)
    def get(self, request: Request, id: UUID) -> Response:
        """Show an override."""
        return Response(OverrideSerializer(get_object_or_404(Override, pk=id)).data)

    @extend_schema(parameters=[NEEDED_REASON], responses={204: None})
    def delete(self, request: Request, id: UUID) -> Response:
        """Take an override back: it no longer counts, and stays to be read."""
        override = get_object_or_404(Override, pk=id)
        overrides.remove(override, reason=change_reason(request, needed=True))
        return Response(status=204)
