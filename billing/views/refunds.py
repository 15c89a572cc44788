from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from billing import caps, refunds, sync
from billing.idempotency import Asking
from billing.models import Payment, Refund
from billing.serializers.refunds import NewRefund, RefundQuery, RefundSerializer
from billing.views.reach import within
from config.api.authentication import principal
from config.api.doors import Door
from config.api.idempotency import IDEMPOTENCY_KEY, idempotency_key, made
from config.api.masking import seen_by
from config.api.pagination import PageQuery, page, paged
from config.api.permissions import may
from config.api.strict import valid


class Refunds(Door):
    @extend_schema(parameters=[RefundQuery, PageQuery], responses=paged(RefundSerializer))
    def get(self, request: Request) -> Response:
        """List refunds, newest first."""
        asked = valid(RefundQuery, request)
        if "user_id" in asked:
            asked["payment__customer__user_id"] = asked.pop("user_id")
        return Response(page(request, _refunds().filter(**asked), RefundSerializer))

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


class OneRefund(Door):
    @extend_schema(responses=RefundSerializer)
    def get(self, request: Request, id: UUID) -> Response:
        """Show a refund."""
        refund = get_object_or_404(within(request, _refunds(), "payment__"), pk=id)
        return Response(RefundSerializer(refund, context=seen_by(request)).data)


class PaymentRefunds(Door):
    @extend_schema(parameters=[PageQuery], responses=paged(RefundSerializer))
    def get(self, request: Request, id: UUID) -> Response:
        """List the refunds of a payment, newest first."""
        payment = get_object_or_404(within(request, _payments()), pk=id)
        return Response(page(request, payment.refunds.all(), RefundSerializer))


def _payments() -> QuerySet[Payment]:
    return Payment.objects.select_related("customer")


def _refunds() -> QuerySet[Refund]:
    return Refund.objects.select_related("payment__customer")
