from __future__ import annotations

from django.contrib import admin

from billing.admin.states import Moving
from billing.models import Finding, WebhookEvent
from config.office import ReadOnly


@admin.register(WebhookEvent)
class WebhookEventAdmin(Moving):
    list_display = ("received_at", "type", "looks_at", "state", "attempts", "last_error")
    list_filter = ("status", "type")
    search_fields = ("stripe_id", "looks_at")
    exclude = ("body",)


@admin.register(Finding)
class FindingAdmin(ReadOnly):
    list_display = ("opened_at", "kind", "object", "closed_at")
    list_filter = ("kind",)
    search_fields = ("object",)
