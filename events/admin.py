from __future__ import annotations

import re

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from config.office import ReadOnly
from events import history
from events.models import Event, Mail, Seal

REQUEST_ID = re.compile(r"[0-9a-f]{32}")


@admin.register(Event)
class EventAdmin(ReadOnly):
    list_display = ("at", "subject", "sequence", "type", "object", "actor")
    search_fields = ("subject",)
    search_help_text = (
        "Whole: a user, a subject (user:42), an object (payment:<id>), a type (payment.completed), a request id."
    )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Event], search_term: str
    ) -> tuple[QuerySet[Event], bool]:
        """Find by whole words alone, which have an index: history only grows."""
        term = search_term.strip()
        if not term:
            return queryset, False
        if REQUEST_ID.fullmatch(term):
            return queryset.filter(request_id=term), False
        return queryset.filter(Q(subject__in=[term, history.user(term)]) | Q(object=term) | Q(type=term)), False


@admin.register(Seal)
class SealAdmin(ReadOnly):
    fields = list_display = ("number", "at", "key")


@admin.register(Mail)
class MailAdmin(ReadOnly):
    fields = list_display = ("created_at", "subject", "template", "status", "attempts", "last_error", "due_at")
    list_filter = ("status", "template")
    search_fields = ("subject",)
