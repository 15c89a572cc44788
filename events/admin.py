from __future__ import annotations

from django.contrib import admin

from config.office import ReadOnly
from events.models import Event, Mail, Seal


@admin.register(Event)
class EventAdmin(ReadOnly):
    list_display = ("at", "subject", "sequence", "type", "object", "actor")
    list_filter = ("type",)
    search_fields = ("subject", "object", "request_id")


@admin.register(Seal)
class SealAdmin(ReadOnly):
    fields = list_display = ("number", "at", "key")


@admin.register(Mail)
class MailAdmin(ReadOnly):
    fields = list_display = ("created_at", "subject", "template", "status", "attempts", "last_error", "due_at")
    list_filter = ("status", "template")
    search_fields = ("subject",)
