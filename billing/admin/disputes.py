from __future__ import annotations

from django.contrib import admin

from billing.admin.states import OfPayment
from billing.models import Dispute


@admin.register(Dispute)
class DisputeAdmin(OfPayment):
    list_display = ("opened_at", "user", "payment", "amount", "state", "reason", "evidence_due_at", "closed_at")
    list_filter = ("status", "reason")
    search_fields = ("stripe_id", "payment__customer__user_id")
    search_help_text = "A user, or Stripe's id (dp_...), or a part of it."
