from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from billing import subscriptions
from billing.models import Subscription
from billing.serializers.subscriptions import CancelQuery, SubscriptionSerializer
from billing.views.reach import within
from config.api.masking import seen_by
from config.api.pagination import PageQuery, page, paged
from config.api.permissions import insist, subject
from config.api.strict import valid


class OneSubscription(APIView):
    @extend_schema(responses=SubscriptionSerializer)
    def get(self, request: Request, id: UUID) -> Response:
        """Show a subscription."""
        return Response(SubscriptionSerializer(self._find(request, id), context=seen_by(request)).data)

    @extend_schema(parameters=[CancelQuery], responses={200: SubscriptionSerializer})
    def delete(self, request: Request, id: UUID) -> Response:
        """Cancel: with the period that is paid (the default), or at once."""
        now = valid(CancelQuery, request)["mode"] == "immediate"
        subscription = self._find(request, id)
        if now:
            insist(request, "cancel at once")
        subscriptions.cancel(subscription, now=now)
        return Response(SubscriptionSerializer(self._find(request, id), context=seen_by(request)).data)

    @staticmethod
    def _find(request: Request, id: UUID) -> Subscription:
        subscription: Subscription = get_object_or_404(within(request, _subscriptions()), pk=id)
        return subscription


class UserSubscriptions(APIView):
    @extend_schema(parameters=[PageQuery], responses=paged(SubscriptionSerializer))
    def get(self, request: Request, user_id: str) -> Response:
        """List a user's subscriptions, newest first."""
        rows = _subscriptions().filter(customer__user_id=subject(request, user_id))
        return Response(page(request, rows, SubscriptionSerializer))


def _subscriptions() -> QuerySet[Subscription]:
    return Subscription.objects.select_related("customer", "version")
