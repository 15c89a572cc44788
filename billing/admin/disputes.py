from __future__ import annotations

from django.contrib import admin

from billing.admin.states import Moving
from billing.models import Dispute


@admin.register(Dispute)
class DisputeAdmin(Moving):
    list_display = ("opened_at", "payment", "amount", "state", "reason", "evidence_due_at", "closed_at")
    list_filter = ("status", "reason")
    list_select_related = ("payment",)
    search_fields = ("stripe_id", "payment__customer__user_id")
