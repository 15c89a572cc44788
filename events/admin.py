from __future__ import annotations

from django.contrib import admin

from config.office import ReadOnly
from events.models import Event, Seal


@admin.register(Event)
class EventAdmin(ReadOnly):
    list_display = ("at", "subject", "sequence", "type", "object", "actor")
    list_filter = ("type",)
    search_fields = ("subject", "object", "request_id")


@admin.register(Seal)
class SealAdmin(ReadOnly):
    fields = list_display = ("number", "at", "key")
