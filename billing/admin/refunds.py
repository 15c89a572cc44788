from __future__ import annotations

from collections.abc import Callable

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from unfold.decorators import action

from billing import approvals, sync
from billing.admin.states import OfPayment
from billing.errors import BillingError
from billing.models import Refund, RefundApproval
from config.office import deciding


@admin.register(Refund)
class RefundAdmin(OfPayment):
    list_display = ("created_at", "user", "payment", "amount", "state", "reason", "principal")
    list_filter = ("status", "reason")
    search_fields = ("stripe_id", "payment__customer__user_id")


@admin.register(RefundApproval)
class RefundApprovalAdmin(OfPayment):
    list_display = ("created_at", "user", "payment", "amount", "state", "reason", "principal", "decided_by")
    list_filter = ("status",)
    search_fields = ("payment__customer__user_id", "principal", "decided_by")
    actions_detail = ("approve", "decline")

    @action(description="Approve", url_path="approve", permissions=["decide"])
    def approve(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Let the money go back, as another one than who asked."""
        return self._decided(request, object_id, "Approve", _approve)

    @action(description="Decline", url_path="decline", permissions=["decide"])
    def decline(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Let the money stay, as another one than who asked."""
        return self._decided(request, object_id, "Decline", _decline)

    def has_decide_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Let those who may change an approval, while it waits or its refund has not been made."""
        may = request.user.has_perm("billing.change_refundapproval")
        open_ones = RefundApproval.objects.filter(refund=None).exclude(status=RefundApproval.Status.DECLINED)
        return may and (object_id is None or open_ones.filter(pk=object_id).exists())

    def _decided(
        self, request: HttpRequest, object_id: str, verb: str, decide: Callable[[HttpRequest, RefundApproval], str]
    ) -> HttpResponse:
        approval = get_object_or_404(RefundApproval.objects.select_related("payment__customer"), pk=object_id)
        whose = approval.payment.customer.user_id
        told = (
            f"{approval.principal} asks to give {approval.amount} back to {whose}, who paid {approval.payment.amount}."
        )
        shown = {"title": f"{verb} a refund of {approval.amount}", "told": told, "verb": verb}
        return deciding(
            request,
            {**self.admin_site.each_context(request), **shown},
            lambda: decide(request, approval),
            refusals=BillingError,
            back=reverse("admin:billing_refundapproval_change", args=[approval.pk]),
        )


def _approve(request: HttpRequest, approval: RefundApproval) -> str:
    refund, _ = approvals.approve(approval, by=f"staff:{request.user.get_username()}")
    sync.try_look(str(approval.payment.stripe_id))
    refund.refresh_from_db()
    return f"Approved. Refund of {refund.amount}: {refund.status}."


def _decline(request: HttpRequest, approval: RefundApproval) -> str:
    declined = approvals.decline(approval, by=f"staff:{request.user.get_username()}")
    return f"Declined: {declined.amount} stays paid."
