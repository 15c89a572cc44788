from __future__ import annotations

from django.contrib import admin

from config.office import ReadOnly
from entitlements.models import Entitlement


@admin.register(Entitlement)
class EntitlementAdmin(ReadOnly):
    """Access follows what grants it; a change by hand would have no history."""

    list_display = ("user_id", "feature", "plan", "source_type", "status", "reason", "starts_at", "ends_at")
    list_filter = ("status", "source_type", "reason", "feature", "plan")
    list_select_related = ("feature", "plan")
    search_fields = ("user_id__exact", "subscription_id__exact", "source_id__exact")
    search_help_text = "A user, a source or a subscription, by its whole id."
    fieldsets = (
        (None, {"fields": ("user_id", "family_id", "feature", "status", "status_at", "reason")}),
        ("When", {"fields": ("granted_at", "starts_at", "ends_at", "grace_until")}),
        ("How much", {"fields": ("limit", "period", "soft", "value")}),
        ("From", {"fields": ("source_type", "source_id", "subscription_id", "plan", "version")}),
        ("Also", {"fields": ("metadata", "created_at", "updated_at")}),
    )
