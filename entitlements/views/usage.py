from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet, Sum
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from config.api.authentication import principal
from config.api.doors import Door
from config.api.idempotency import IDEMPOTENCY_KEY, idempotency_key, made
from config.api.masking import seen_by
from config.api.pagination import PageQuery, page
from config.api.parsing import CloudEvent, CloudEvents, StrictBatch, StrictJSON
from config.api.strict import sent, valid
from entitlements import snapshot, usage, usage_batches, usage_corrections
from entitlements.models import UsageCounter, UsageEvent
from entitlements.serializers.usage import (
    CloudEventSaid,
    CorrectionSaid,
    UsageBatchSaid,
    UsageBatchSerializer,
    UsageCounterSerializer,
    UsagePage,
    UsageQuery,
    UsageSaid,
    UsageSerializer,
    listed,
    read_each,
    read_one,
    told,
)
from entitlements.views.reach import subject
from events import clock
from events.asking import Asking

# Each is judged for itself, so what is wrong in one is no fault of the body.
EVENTS = {"type": "array", "items": {}, "minItems": 1, "maxItems": usage_batches.MOST}


class Usage(Door):
    parser_classes = (StrictJSON, CloudEvent)

    @extend_schema(
        request={"application/json": UsageSaid, CloudEvent.media_type: CloudEventSaid}, responses={201: UsageSerializer}
    )
    def post(self, request: Request) -> Response:
        """Write down a use, once for its event_id (US-01). 409 when it does not fit: `code` is the reason."""
        cloud = _is(request, CloudEvent)
        use = read_one(sent(CloudEventSaid if cloud else UsageSaid, request), cloud=cloud)
        row, replayed = usage.record(use, principal=principal(request).name, now=clock.now())
        return made(UsageSerializer(row, context=seen_by(request)).data, replayed)


class UsageBatch(Door):
    parser_classes = (StrictBatch, CloudEvents)

    @extend_schema(
        request={"application/json": UsageBatchSaid, CloudEvents.media_type: EVENTS},
        responses=UsageBatchSerializer,
    )
    def post(self, request: Request) -> Response:
        """Write down at most 1,000 uses, each for itself: 200 says what became of each."""
        cloud = _is(request, CloudEvents)
        uses, faults = read_each(listed(request.data, cloud=cloud), cloud=cloud)
        asker = principal(request).name
        outcomes = usage_batches.record_many(list(uses.values()), principal=asker, now=clock.now())
        return Response(told(dict(zip(uses, outcomes, strict=True)), faults))


class UsageCorrections(Door):
    @extend_schema(request=CorrectionSaid, responses={201: UsageSerializer}, parameters=[IDEMPOTENCY_KEY])
    def post(self, request: Request) -> Response:
        """Correct a use by a row beside it. What is given back goes to the pools that paid."""
        said = sent(CorrectionSaid, request)
        asking = Asking.of(principal(request).name, idempotency_key(request), said)
        named = {"pk": said["usage_id"]} if "usage_id" in said else {"event_id": said["event_id"]}
        if "event_id" in said:
            named["principal"] = said.get("recorded_by", principal(request).name)
        meant = get_object_or_404(UsageEvent, **named)
        row, replayed = usage_corrections.correct(
            meant, said["units"], reason=said["reason"], asking=asking, now=clock.now()
        )
        return made(UsageSerializer(row, context=seen_by(request)).data, replayed)


class UserUsage(Door):
    @extend_schema(parameters=[UsageQuery, PageQuery], responses=UsagePage)
    def get(self, request: Request, user_id: str) -> Response:
        """Show what a user used in a time, and the counters of the periods in it (US-01)."""
        asked = valid(UsageQuery, request)
        rows = UsageEvent.objects.filter(_within(asked, "at__lt", "at__gte"), user_id=subject(request, user_id))
        totals = rows.values("feature_id").annotate(units=Sum("units")).order_by("feature_id")
        shown = [{"feature_code": row["feature_id"], "units": row["units"]} for row in totals]
        periods = UsageCounterSerializer(_counters(user_id, asked), many=True).data
        return Response({**page(request, rows, UsageSerializer), "totals": shown, "periods": periods})


def _is(request: Request, parser: type[StrictJSON]) -> bool:
    return str(request.content_type).split(";")[0].strip().lower() == parser.media_type


def _within(asked: dict[str, Any], before: str, after: str) -> Q:
    """Limit rows to those of a feature that touch `[from, to)`, by how they are compared; what has no end goes on."""
    wanted = Q(feature_id=asked["feature_code"]) if "feature_code" in asked else Q()
    if "from" in asked and "to" in asked and asked["to"] <= asked["from"]:
        raise ValidationError({"to": "It must be later than `from`."})
    if "from" in asked:
        wanted &= Q(**{after: asked["from"]}) | Q(**{f"{after.partition('__')[0]}__isnull": True})
    return wanted & Q(**{before: asked["to"]}) if "to" in asked else wanted


def _counters(user_id: str, asked: dict[str, Any]) -> QuerySet[UsageCounter]:
    """Find what is counted of the user's own pools, and of his share of his family's; at most the last 100."""
    known = snapshot.current(user_id)
    owners = {grant.user_id for grants in known.grants.values() for grant in grants} - {user_id}
    mine = Q(subject=f"user:{user_id}", member="")
    shared = Q(subject__in=[f"user:{owner}" for owner in owners], member=user_id)
    rows = UsageCounter.objects.filter(mine | shared, _within(asked, "period_start__lt", "period_end__gt"))
    return rows.order_by("-period_start", "feature_id", "id")[:100]
