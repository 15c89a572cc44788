from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from billing import corrections, dues, paying
from billing.idempotency import Asking
from billing.models import Customer, Payment
from billing.serializers.payments import (
    MadePaymentSerializer,
    NewPayment,
    NewPaymentIntent,
    NewStatus,
    PaymentIntentSerializer,
    PaymentQuery,
    PaymentSerializer,
)
from billing.views.reach import within
from config.api.authentication import principal
from config.api.doors import Door
from config.api.idempotency import IDEMPOTENCY_KEY, idempotency_key, made
from config.api.masking import seen_by
from config.api.pagination import PageQuery, page, paged
from config.api.permissions import may, owner, subject
from config.api.strict import sent, valid

# Kinds of method in the services before (ruling 17), and Stripe's word for them.
KINDS = {"card": "card", "credit_card": "card", "debit_card": "card"}


class Payments(Door):
    @extend_schema(parameters=[PaymentQuery, PageQuery], responses=paged(PaymentSerializer))
    def get(self, request: Request) -> Response:
        """List payments, newest first."""
        return Response(page(request, _matching(valid(PaymentQuery, request)), PaymentSerializer))

    @extend_schema(request=NewPayment, responses={201: MadePaymentSerializer}, parameters=[IDEMPOTENCY_KEY])
    def post(self, request: Request) -> Response:
        """Ask for a payment. The buyer's browser pays it with `client_secret`, or we do with `payment_method`."""
        body = NewPayment(data=request.data, context={"payer_needed": owner(request) is None})
        body.is_valid(raise_exception=True)
        wanted = body.validated_data
        payment, replayed = _asked(request, wanted, _payer(request, wanted))
        shown = {**seen_by(request), "client_secret": paying.client_secret(payment)}
        return made(MadePaymentSerializer(payment, context=shown).data, replayed)


class PaymentIntent(Door):
    @extend_schema(request=NewPaymentIntent, responses={201: PaymentIntentSerializer}, parameters=[IDEMPOTENCY_KEY])
    def post(self, request: Request) -> Response:
        """Ask for the payment of an order, once for each order."""
        body = sent(NewPaymentIntent, request)
        wanted = {**body, "order_id": str(body["order_id"])}
        payer = owner(request) or wanted.get("user_id") or f"order:{wanted['order_id']}"
        payment, replayed = _asked(request, wanted, subject(request, wanted.get("user_id", payer)))
        secret = paying.client_secret(payment)
        return made({"payment_id": str(payment.pk), "client_secret": secret, "status": payment.status}, replayed)


class OnePayment(Door):
    @extend_schema(responses=PaymentSerializer)
    def get(self, request: Request, id: UUID) -> Response:
        """Show a payment, and each try to pay it."""
        payment = get_object_or_404(within(request, _payments()), pk=id)
        return Response(PaymentSerializer(payment, context=seen_by(request)).data)


class PaymentStatus(Door):
    @extend_schema(request=NewStatus, responses=PaymentSerializer)
    def patch(self, request: Request, id: UUID) -> Response:
        """Set a status that Stripe agrees with, and say why; to `canceled` it is canceled at Stripe first."""
        wanted = sent(NewStatus, request)
        payment = get_object_or_404(_payments(), pk=id)
        payment = corrections.correct(payment, wanted["status"], reason=wanted["reason"])
        return Response(PaymentSerializer(payment, context=seen_by(request)).data)


class UserPayments(Door):
    @extend_schema(parameters=[PageQuery], responses=paged(PaymentSerializer))
    def get(self, request: Request, user_id: str) -> Response:
        """List what a user paid, newest first."""
        rows = _payments().filter(customer__user_id=subject(request, user_id))
        return Response(page(request, rows, PaymentSerializer))


class CustomerPayments(Door):
    @extend_schema(parameters=[PageQuery], responses=paged(PaymentSerializer))
    def get(self, request: Request, id: UUID) -> Response:
        """List what a customer paid, newest first."""
        customer = get_object_or_404(_customers(request), pk=id)
        return Response(page(request, _payments().filter(customer=customer), PaymentSerializer))


def _asked(request: Request, wanted: dict[str, Any], user_id: str) -> tuple[Payment, bool]:
    asking = Asking.of(principal(request).name, idempotency_key(request), wanted)
    due = dues.of(
        user_id,
        wanted.get("amount"),
        wanted.get("currency"),
        quote_id=wanted.get("quote_id"),
        may_name_amount=may(request, "name an amount"),
    )
    method = wanted.get("payment_method", "")
    order = paying.Order(
        order_id=wanted.get("order_id"),
        description=wanted.get("description", ""),
        stripe_method="" if method in KINDS else method,
        method_type=KINDS.get(method, ""),
        metadata=wanted.get("metadata", {}),
    )
    return paying.create(user_id, due, order, asking=asking)


def _payer(request: Request, wanted: dict[str, Any]) -> str:
    if "customer_id" in wanted:
        return get_object_or_404(_customers(request), pk=wanted["customer_id"]).user_id
    return subject(request, wanted.get("user_id", principal(request).user_id))


def _customers(request: Request) -> QuerySet[Customer]:
    user_id = owner(request)
    return Customer.objects.all() if user_id is None else Customer.objects.filter(user_id=user_id)


def _matching(asked: dict[str, Any]) -> QuerySet[Payment]:
    rows = _payments()
    if status := asked.pop("status", None):
        rows = rows.filter(Payment.shown_as(status))
    columns = {"user_id": "customer__user_id", "created_from": "created_at__gte", "created_to": "created_at__lt"}
    return rows.filter(**{columns.get(name, name): value for name, value in asked.items()})


def _payments() -> QuerySet[Payment]:
    return Payment.objects.select_related("customer").prefetch_related("attempts")
