from __future__ import annotations

from uuid import UUID

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from billing import approvals, sync
from billing.idempotency import Asking
from billing.models import Payment, RefundApproval
from billing.serializers.refunds import NewRefundApproval, RefundApprovalSerializer, RefundSerializer
from config.api.authentication import principal
from config.api.doors import Door
from config.api.idempotency import IDEMPOTENCY_KEY, idempotency_key, made
from config.api.masking import seen_by
from config.api.pagination import PageQuery, page, paged
from config.api.strict import Nothing, insist_on_nothing, sent


class RefundApprovals(Door):
    @extend_schema(parameters=[PageQuery], responses=paged(RefundApprovalSerializer))
    def get(self, request: Request) -> Response:
        """List the refunds over the cap that were asked for, newest first."""
        return Response(page(request, RefundApproval.objects.all(), RefundApprovalSerializer))

    @extend_schema(request=NewRefundApproval, responses={201: RefundApprovalSerializer}, parameters=[IDEMPOTENCY_KEY])
    def post(self, request: Request) -> Response:
        """Ask another admin for a refund over the cap."""
        wanted = sent(NewRefundApproval, request)
        payment = get_object_or_404(Payment.objects.select_related("customer"), pk=wanted["payment_id"])
        asking = Asking.of(principal(request).name, idempotency_key(request), wanted)
        approval, replayed = approvals.ask(payment, wanted.get("amount"), reason=wanted["reason"], asking=asking)
        return made(RefundApprovalSerializer(approval, context=seen_by(request)).data, replayed)


class OneRefundApproval(Door):
    @extend_schema(responses=RefundApprovalSerializer)
    def get(self, request: Request, id: UUID) -> Response:
        """Show a refund that was asked for, and what was decided."""
        approval = get_object_or_404(RefundApproval, pk=id)
        return Response(RefundApprovalSerializer(approval, context=seen_by(request)).data)


class ApproveRefund(Door):
    @extend_schema(request=Nothing, responses={201: RefundSerializer})
    def post(self, request: Request, id: UUID) -> Response:
        """Approve as another admin than the one who asked: the money goes back. Repeated, it is the same refund."""
        insist_on_nothing(request)
        approval = get_object_or_404(RefundApproval, pk=id)
        refund, replayed = approvals.approve(approval, by=principal(request).name)
        sync.try_look(str(refund.payment.stripe_id))
        refund.refresh_from_db()
        return made(RefundSerializer(refund, context=seen_by(request)).data, replayed)


class DeclineRefund(Door):
    @extend_schema(request=Nothing, responses={200: RefundApprovalSerializer})
    def post(self, request: Request, id: UUID) -> Response:
        """Decline as another admin than the one who asked."""
        insist_on_nothing(request)
        approval = approvals.decline(get_object_or_404(RefundApproval, pk=id), by=principal(request).name)
        return Response(RefundApprovalSerializer(approval, context=seen_by(request)).data)
