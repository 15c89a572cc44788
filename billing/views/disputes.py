from __future__ import annotations

from uuid import UUID

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from billing.models import Dispute, Payment
from billing.serializers.disputes import DisputeQuery, DisputeSerializer
from billing.views.reach import within
from config.api.doors import Door
from config.api.masking import seen_by
from config.api.pagination import PageQuery, page, paged
from config.api.strict import valid


class Disputes(Door):
    @extend_schema(parameters=[DisputeQuery, PageQuery], responses=paged(DisputeSerializer))
    def get(self, request: Request) -> Response:
        """List disputes, newest first."""
        return Response(page(request, Dispute.objects.filter(**valid(DisputeQuery, request)), DisputeSerializer))


class OneDispute(Door):
    @extend_schema(responses=DisputeSerializer)
    def get(self, request: Request, id: UUID) -> Response:
        """Show a dispute."""
        dispute = get_object_or_404(within(request, Dispute.objects.all(), "payment__"), pk=id)
        return Response(DisputeSerializer(dispute, context=seen_by(request)).data)


class PaymentDisputes(Door):
    @extend_schema(parameters=[PageQuery], responses=paged(DisputeSerializer))
    def get(self, request: Request, id: UUID) -> Response:
        """List the disputes of a payment, newest first."""
        payment = get_object_or_404(within(request, Payment.objects.all()), pk=id)
        return Response(page(request, payment.disputes.all(), DisputeSerializer))
