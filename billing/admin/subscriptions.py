from __future__ import annotations

from django.contrib import admin
from unfold.decorators import display

from billing.admin.states import Moving
from billing.models import Subscription


@admin.register(Subscription)
class SubscriptionAdmin(Moving):
    list_display = ("customer", "plan", "state", "current_period_end", "cancel_at", "duplicate")
    list_filter = ("status", "duplicate")
    list_select_related = ("customer", "version")
    search_fields = ("customer__user_id", "stripe_id")

    @display(description="plan")
    def plan(self, row: Subscription) -> str:
        """Name the plan."""
        return str(row.version.plan_id)
