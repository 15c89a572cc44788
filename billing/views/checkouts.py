from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from billing import opening, sync
from billing.idempotency import Asking
from billing.models import Checkout
from billing.orders import Order
from billing.serializers.checkouts import CheckoutSerializer, NewCheckout
from billing.views.reach import within
from config.api.authentication import principal
from config.api.doors import Door
from config.api.idempotency import IDEMPOTENCY_KEY, idempotency_key, made
from config.api.masking import seen_by
from config.api.permissions import subject
from config.api.strict import sent


class CheckoutSessions(Door):
    @extend_schema(request=NewCheckout, responses={201: CheckoutSerializer}, parameters=[IDEMPOTENCY_KEY])
    def post(self, request: Request) -> Response:
        """Open a page on which the buyer pays our price for a plan in his country."""
        wanted = sent(NewCheckout, request)
        asking = Asking.of(principal(request).name, idempotency_key(request), wanted)
        user_id = subject(request, wanted.pop("user_id", principal(request).user_id))
        checkout, replayed = opening.open(user_id, Order(**wanted), asking=asking)
        return made(CheckoutSerializer(checkout, context=seen_by(request)).data, replayed)


class CheckoutSession(Door):
    @extend_schema(responses=CheckoutSerializer)
    def get(self, request: Request, id: UUID) -> Response:
        """Show a checkout. While it is open we look again at Stripe first, so a landing page sees the payment."""
        checkout = get_object_or_404(within(request, _checkouts()), pk=id)
        sync.refresh(checkout)
        return Response(CheckoutSerializer(checkout, context=seen_by(request)).data)


def _checkouts() -> QuerySet[Checkout]:
    return Checkout.objects.select_related("customer", "quote__version", "payment", "subscription")
