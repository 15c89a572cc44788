from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from billing.models import Payment
from billing.serializers.payments import PaymentQuery, PaymentSerializer
from billing.views.reach import within
from config.api.masking import seen_by
from config.api.pagination import PageQuery, page, paged
from config.api.permissions import subject
from config.api.strict import valid


class Payments(APIView):
    @extend_schema(parameters=[PaymentQuery, PageQuery], responses=paged(PaymentSerializer))
    def get(self, request: Request) -> Response:
        """List payments, newest first."""
        return Response(page(request, _payments().filter(**valid(PaymentQuery, request)), PaymentSerializer))


class OnePayment(APIView):
    @extend_schema(responses=PaymentSerializer)
    def get(self, request: Request, id: UUID) -> Response:
        """Show a payment."""
        payment = get_object_or_404(within(request, _payments()), pk=id)
        return Response(PaymentSerializer(payment, context=seen_by(request)).data)


class UserPayments(APIView):
    @extend_schema(parameters=[PageQuery], responses=paged(PaymentSerializer))
    def get(self, request: Request, user_id: str) -> Response:
        """List what a user paid, newest first."""
        rows = _payments().filter(customer__user_id=subject(request, user_id))
        return Response(page(request, rows, PaymentSerializer))


def _payments() -> QuerySet[Payment]:
    return Payment.objects.select_related("customer")
