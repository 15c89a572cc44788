"""What is done to one subscription, beside changing and cancelling it."""

from __future__ import annotations

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from billing import changing, pausing, repricing
from billing.idempotency import Asking
from billing.serializers.subscriptions import (
    ChangeSerializer,
    ConsentAnswer,
    NewPreview,
    Pause,
    Reactivation,
    StartedSubscription,
    SubscriptionSerializer,
)
from billing.views.subscriptions import find, started, target_of
from config.api.authentication import principal
from config.api.doors import Door
from config.api.idempotency import IDEMPOTENCY_KEY, idempotency_key, made
from config.api.masking import seen_by
from config.api.strict import Nothing, insist_on_nothing, sent


class PreviewSubscription(Door):
    @extend_schema(request=NewPreview, responses={201: ChangeSerializer}, parameters=[IDEMPOTENCY_KEY])
    def post(self, request: Request, id: UUID) -> Response:
        """Show what a change costs now and next, and what access changes. Good for 15 minutes; charges nothing."""
        body = sent(NewPreview, request)
        subscription = find(request, id)
        wanted = body
        asking = Asking.of(principal(request).name, idempotency_key(request), {**wanted, "subscription": id})
        change, replayed = changing.preview(subscription, target_of(wanted), asking=asking)
        return made(ChangeSerializer(change, context=seen_by(request)).data, replayed)


class ReactivateSubscription(Door):
    @extend_schema(request=Reactivation, responses={201: StartedSubscription}, parameters=[IDEMPOTENCY_KEY])
    def post(self, request: Request, id: UUID) -> Response:
        """Undo a planned end; of one that has ended make a successor, at the price of today."""
        body = sent(Reactivation, request)
        subscription = find(request, id)
        wanted = body
        asking = Asking.of(principal(request).name, idempotency_key(request), {**wanted, "subscription": id})
        found, replayed = pausing.reactivate(subscription, asking=asking, **wanted)
        return made(started(request, found), replayed)


class PauseSubscription(Door):
    @extend_schema(request=Pause, responses=SubscriptionSerializer)
    def post(self, request: Request, id: UUID) -> Response:
        """Collect nothing until a moment, or until it is resumed. May be repeated."""
        body = sent(Pause, request)
        subscription = find(request, id)
        pausing.pause(subscription, **body)
        return Response(SubscriptionSerializer(find(request, id), context=seen_by(request)).data)


class ResumeSubscription(Door):
    @extend_schema(request=Nothing, responses=StartedSubscription)
    def post(self, request: Request, id: UUID) -> Response:
        """Collect again."""
        insist_on_nothing(request)
        subscription = find(request, id)
        pausing.resume(subscription)
        return Response(started(request, subscription))


class Consent(Door):
    @extend_schema(request=ConsentAnswer, responses=SubscriptionSerializer)
    def post(self, request: Request, id: UUID) -> Response:
        """Agree to the proposed price from the next period on, or decline it. Charges nothing now. May be repeated."""
        body = sent(ConsentAnswer, request)
        repricing.answer(find(request, id), accept=body["accept"])
        return Response(SubscriptionSerializer(find(request, id), context=seen_by(request)).data)
