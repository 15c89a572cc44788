from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from billing import card_setups, payment_methods
from billing.idempotency import Asking
from billing.models import PaymentMethod
from billing.serializers.payment_methods import (
    CardSetupSerializer,
    NewPaymentMethod,
    NewSetup,
    PaymentMethodSerializer,
)
from billing.views.reach import within
from config.api.authentication import principal
from config.api.doors import Door
from config.api.idempotency import IDEMPOTENCY_KEY, idempotency_key, made
from config.api.masking import seen_by
from config.api.pagination import PageQuery, page, paged
from config.api.permissions import subject
from config.api.strict import Nothing, insist_on_nothing, sent


class PaymentMethods(Door):
    @extend_schema(request=NewPaymentMethod, responses={201: PaymentMethodSerializer}, parameters=[IDEMPOTENCY_KEY])
    def post(self, request: Request) -> Response:
        """Give a user a payment method, by its id at Stripe or by that of a finished setup."""
        wanted = sent(NewPaymentMethod, request)
        asking = Asking.of(principal(request).name, idempotency_key(request), wanted)
        user_id = subject(request, wanted.pop("user_id", principal(request).user_id))
        method, replayed = payment_methods.attach(
            user_id, wanted["payment_method_id"], currency=wanted.get("currency", ""), asking=asking
        )
        return made(PaymentMethodSerializer(method, context=seen_by(request)).data, replayed)


class PaymentMethodSetup(Door):
    @extend_schema(request=NewSetup, responses={201: CardSetupSerializer}, parameters=[IDEMPOTENCY_KEY])
    def post(self, request: Request) -> Response:
        """Let a user leave a card at Stripe: its page or Stripe.js takes the secret, and no card passes here."""
        wanted = sent(NewSetup, request)
        asking = Asking.of(principal(request).name, idempotency_key(request), wanted)
        user_id = subject(request, wanted.pop("user_id", principal(request).user_id))
        setup, intent, replayed = card_setups.open(user_id, currency=wanted.get("currency", ""), asking=asking)
        return made(CardSetupSerializer(setup, context={**seen_by(request), "intent": intent}).data, replayed)


class OnePaymentMethod(Door):
    @extend_schema(responses={200: PaymentMethodSerializer})
    def delete(self, request: Request, id: UUID) -> Response:
        """Take a payment method away, for good. Repeated, it stays away."""
        method = payment_methods.remove(get_object_or_404(within(request, _methods()), pk=id))
        return Response(PaymentMethodSerializer(method, context=seen_by(request)).data)


class DefaultPaymentMethod(Door):
    @extend_schema(request=Nothing, responses={200: PaymentMethodSerializer})
    def post(self, request: Request, id: UUID) -> Response:
        """Let all that recurs be paid by it, subscriptions that run too."""
        insist_on_nothing(request)
        method = payment_methods.make_default(get_object_or_404(within(request, _methods()), pk=id))
        return Response(PaymentMethodSerializer(method, context=seen_by(request)).data)


class UserPaymentMethods(Door):
    @extend_schema(parameters=[PageQuery], responses=paged(PaymentMethodSerializer))
    def get(self, request: Request, user_id: str) -> Response:
        """List what a user can pay with now, newest first."""
        rows = _methods().filter(customer__user_id=subject(request, user_id), detached_at=None)
        return Response(page(request, rows.exclude(attached_at=None), PaymentMethodSerializer))


def _methods() -> QuerySet[PaymentMethod]:
    return PaymentMethod.objects.select_related("customer", "stripe_customer")
