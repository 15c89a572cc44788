from __future__ import annotations

from django.contrib import admin

from billing.admin.states import Moving
from billing.models import Refund, RefundApproval


@admin.register(Refund)
class RefundAdmin(Moving):
    list_display = ("created_at", "payment", "amount", "state", "reason", "principal")
    list_filter = ("status", "reason")
    list_select_related = ("payment",)
    search_fields = ("stripe_id", "payment__customer__user_id")


@admin.register(RefundApproval)
class RefundApprovalAdmin(Moving):
    list_display = ("created_at", "payment", "amount", "state", "reason", "principal", "decided_by")
    list_filter = ("status",)
    list_select_related = ("payment",)
    search_fields = ("payment__customer__user_id", "principal", "decided_by")
