from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from billing import caps, opening, refunds, subscriptions, sync, tasks, webhooks
from billing.idempotency import Asking
from billing.models import Checkout, Payment, Refund, Subscription
from billing.orders import Order
from billing.serializers import (
    CancelQuery,
    CheckoutSerializer,
    NewCheckout,
    NewRefund,
    PaymentQuery,
    PaymentSerializer,
    Received,
    RefundSerializer,
    SubscriptionSerializer,
)
from config.api.authentication import principal
from config.api.idempotency import IDEMPOTENCY_KEY, idempotency_key, made
from config.api.masking import seen_by
from config.api.pagination import PageQuery, page, paged
from config.api.parsing import BodyTooLarge
from config.api.permissions import insist, may, owner, subject
from config.api.strict import valid
from config.celery import bell
from events import clock

MAX_WEBHOOK_BYTES = 256 * 1024


class CheckoutSessions(APIView):
    @extend_schema(request=NewCheckout, responses={201: CheckoutSerializer}, parameters=[IDEMPOTENCY_KEY])
    def post(self, request: Request) -> Response:
        """Open a page on which the buyer pays our price for a plan in his country."""
        body = NewCheckout(data=request.data)
        body.is_valid(raise_exception=True)
        wanted: dict[str, Any] = dict(body.validated_data)
        asking = Asking.of(principal(request).name, idempotency_key(request), wanted)
        user_id = subject(request, wanted.pop("user_id", principal(request).user_id))
        checkout, replayed = opening.open(user_id, Order(**wanted), asking=asking)
        return made(CheckoutSerializer(checkout, context=seen_by(request)).data, replayed)


class CheckoutSession(APIView):
    @extend_schema(responses=CheckoutSerializer)
    def get(self, request: Request, id: UUID) -> Response:
        """Show a checkout. While it is open we look again at Stripe first, so a landing page sees the payment."""
        checkout = get_object_or_404(_within(request, _checkouts()), pk=id)
        sync.refresh(checkout)
        return Response(CheckoutSerializer(checkout, context=seen_by(request)).data)


class Payments(APIView):
    @extend_schema(parameters=[PaymentQuery, PageQuery], responses=paged(PaymentSerializer))
    def get(self, request: Request) -> Response:
        """List payments, newest first."""
        return Response(page(request, _payments().filter(**valid(PaymentQuery, request)), PaymentSerializer))


class OnePayment(APIView):
    @extend_schema(responses=PaymentSerializer)
    def get(self, request: Request, id: UUID) -> Response:
        """Show a payment."""
        payment = get_object_or_404(_within(request, _payments()), pk=id)
        return Response(PaymentSerializer(payment, context=seen_by(request)).data)


class UserPayments(APIView):
    @extend_schema(parameters=[PageQuery], responses=paged(PaymentSerializer))
    def get(self, request: Request, user_id: str) -> Response:
        """List what a user paid, newest first."""
        rows = _payments().filter(customer__user_id=subject(request, user_id))
        return Response(page(request, rows, PaymentSerializer))


class Refunds(APIView):
    @extend_schema(request=NewRefund, responses={201: RefundSerializer}, parameters=[IDEMPOTENCY_KEY])
    def post(self, request: Request) -> Response:
        """Give back all that is left of a payment, or a part of it."""
        body = NewRefund(data=request.data, context={"reason_needed": not may(request, "refund without a reason")})
        body.is_valid(raise_exception=True)
        wanted = body.validated_data
        payment = get_object_or_404(_payments(), pk=wanted["payment_id"])
        asking = Asking.of(principal(request).name, idempotency_key(request), wanted)
        refund, replayed = refunds.create(
            payment, wanted.get("amount"), reason=wanted["reason"], asking=asking, cap=caps.of(payment.currency)
        )
        sync.try_look(str(payment.stripe_id))
        refund.refresh_from_db()
        return made(RefundSerializer(refund, context=seen_by(request)).data, replayed)


class OneRefund(APIView):
    @extend_schema(responses=RefundSerializer)
    def get(self, request: Request, id: UUID) -> Response:
        """Show a refund."""
        refund = get_object_or_404(_within(request, _refunds(), "payment__"), pk=id)
        return Response(RefundSerializer(refund, context=seen_by(request)).data)


class PaymentRefunds(APIView):
    @extend_schema(parameters=[PageQuery], responses=paged(RefundSerializer))
    def get(self, request: Request, id: UUID) -> Response:
        """List the refunds of a payment, newest first."""
        payment = get_object_or_404(_within(request, _payments()), pk=id)
        return Response(page(request, payment.refunds.all(), RefundSerializer))


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
        subscription: Subscription = get_object_or_404(_within(request, _subscriptions()), pk=id)
        return subscription


class UserSubscriptions(APIView):
    @extend_schema(parameters=[PageQuery], responses=paged(SubscriptionSerializer))
    def get(self, request: Request, user_id: str) -> Response:
        """List a user's subscriptions, newest first."""
        rows = _subscriptions().filter(customer__user_id=subject(request, user_id))
        return Response(page(request, rows, SubscriptionSerializer))


class StripeWebhook(APIView):
    """Stripe's events. The signature is the authentication; nothing is stored before it holds."""

    authentication_classes = ()

    @extend_schema(request={"application/json": dict}, responses=Received)
    def post(self, request: Request) -> Response:
        """Verify, store and answer; the work is done after."""
        raw: HttpRequest = request._request
        if int(raw.META.get("CONTENT_LENGTH") or 0) > MAX_WEBHOOK_BYTES:
            raise BodyTooLarge(MAX_WEBHOOK_BYTES)
        signature = raw.headers.get("Stripe-Signature", "")
        event = webhooks.receive(raw.body, signature, at=clock.now())
        if event and event.looks_at:
            bell.ring(tasks.look, event.looks_at)
        return Response({"received": True, "duplicate": event is None})


def _checkouts() -> QuerySet[Checkout]:
    return Checkout.objects.select_related("customer", "quote__version", "payment", "subscription")


def _payments() -> QuerySet[Payment]:
    return Payment.objects.select_related("customer")


def _refunds() -> QuerySet[Refund]:
    return Refund.objects.select_related("payment__customer")


def _subscriptions() -> QuerySet[Subscription]:
    return Subscription.objects.select_related("customer", "version")


def _within(request: Request, rows: QuerySet[Any], path: str = "") -> QuerySet[Any]:
    """Keep the rows that the principal may see; the rest are as if absent."""
    user_id = owner(request)
    return rows if user_id is None else rows.filter(**{f"{path}customer__user_id": user_id})
