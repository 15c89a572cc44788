from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import Prefetch, QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from billing import changing, subscribing, subscriptions
from billing.idempotency import Asking
from billing.models import Subscription, SubscriptionChange, SubscriptionItem, ZoneCheck
from billing.serializers.subscriptions import (
    CancelQuery,
    NewSubscription,
    StartedSubscription,
    SubscriptionPatch,
    SubscriptionQuery,
    SubscriptionSerializer,
)
from billing.targets import Target
from billing.views.reach import within
from billing.wishes import Wish
from config.api.authentication import principal
from config.api.doors import Door
from config.api.idempotency import IDEMPOTENCY_KEY, idempotency_key, made
from config.api.masking import seen_by
from config.api.pagination import PageQuery, page, paged
from config.api.permissions import insist, may, subject
from config.api.strict import sent, valid

LONGEST_TRIAL = 90
PATHS = {"user_id": "customer__user_id", "plan_id": "version__plan_id"}


class Subscriptions(Door):
    @extend_schema(parameters=[SubscriptionQuery, PageQuery], responses=paged(SubscriptionSerializer))
    def get(self, request: Request) -> Response:
        """List subscriptions, newest first."""
        asked = {PATHS.get(name, name): value for name, value in valid(SubscriptionQuery, request).items()}
        return Response(page(request, rows().filter(**asked), SubscriptionSerializer))

    @extend_schema(request=NewSubscription, responses={201: StartedSubscription}, parameters=[IDEMPOTENCY_KEY])
    def post(self, request: Request) -> Response:
        """Subscribe at our price for the country: by a card at hand, or with the client secret in the answer."""
        wanted = sent(NewSubscription, request)
        asking = Asking.of(principal(request).name, idempotency_key(request), wanted)
        user_id = subject(request, wanted.pop("user_id", principal(request).user_id))
        wish = Wish(**{**wanted, "items": tuple(wanted.get("items", ()))})
        most = LONGEST_TRIAL if may(request, "give a longer trial") else None
        subscription, replayed = subscribing.create(user_id, wish, asking=asking, most_trial=most)
        return made(started(request, subscription), replayed)


class OneSubscription(Door):
    @extend_schema(responses=SubscriptionSerializer)
    def get(self, request: Request, id: UUID) -> Response:
        """Show a subscription."""
        return Response(SubscriptionSerializer(find(request, id), context=seen_by(request)).data)

    @extend_schema(request=SubscriptionPatch, responses=StartedSubscription)
    def patch(self, request: Request, id: UUID) -> Response:
        """Change plan, quantity or items: as previewed, or directly. To ask for what he has drops a pending change."""
        body = sent(SubscriptionPatch, request)
        subscription = find(request, id)
        wanted: dict[str, Any] = dict(body)
        preview_id, due = wanted.pop("preview_id", None), wanted.pop("expected_amount", None)
        if preview_id:
            shown = get_object_or_404(SubscriptionChange, pk=preview_id, subscription=subscription)
            changing.apply(shown, shown_due=due)
        else:
            asking = Asking.of(principal(request).name, None, wanted)
            changing.change(subscription, target_of(wanted), shown_due=due, asking=asking)
        return Response(started(request, subscription))

    @extend_schema(parameters=[CancelQuery], responses={200: SubscriptionSerializer})
    def delete(self, request: Request, id: UUID) -> Response:
        """Cancel: with the period that is paid (the default), or at once."""
        now = valid(CancelQuery, request)["mode"] == "immediate"
        subscription = find(request, id)
        if now:
            insist(request, "cancel at once")
        subscriptions.cancel(subscription, now=now)
        return Response(SubscriptionSerializer(find(request, id), context=seen_by(request)).data)


class UserSubscriptions(Door):
    @extend_schema(parameters=[PageQuery], responses=paged(SubscriptionSerializer))
    def get(self, request: Request, user_id: str) -> Response:
        """List a user's subscriptions, newest first."""
        of_user = rows().filter(customer__user_id=subject(request, user_id))
        return Response(page(request, of_user, SubscriptionSerializer))


def rows() -> QuerySet[Subscription]:
    """Return the subscriptions, with what is shown of them."""
    items = SubscriptionItem.objects.filter(removed_at=None).select_related("quote", "version")
    waiting = SubscriptionChange.objects.filter(status__in=SubscriptionChange.OPEN).select_related("quote__version")
    proposed = ZoneCheck.objects.filter(status=ZoneCheck.Status.PROPOSED).select_related("proposed")
    shown = Subscription.objects.select_related("customer", "version")
    return shown.prefetch_related(
        Prefetch("items", items), Prefetch("changes", waiting), Prefetch("zone_checks", proposed)
    )


def find(request: Request, id: UUID) -> Subscription:
    """Return a subscription that the principal may see. Raises Http404."""
    subscription: Subscription = get_object_or_404(within(request, rows()), pk=id)
    return subscription


def started(request: Request, subscription: Subscription) -> dict[str, Any]:
    """Show a subscription as it is now, with the client secret where the buyer must act."""
    shown = rows().get(pk=subscription.pk)
    context = {**seen_by(request), "client_secret": subscribing.client_secret(shown)}
    return dict(StartedSubscription(shown, context=context).data)


def target_of(wanted: dict[str, Any]) -> Target:
    """Shape what was asked for."""
    items = wanted.get("items")
    return Target(**{**wanted, "items": None if items is None else tuple(items)})
