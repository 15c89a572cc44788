from __future__ import annotations

from django.contrib import admin

from config.office import ReadOnly
from entitlements.models import Reservation, UsageCounter, UsageEvent


@admin.register(UsageCounter)
class UsageCounterAdmin(ReadOnly):
    """What counts is worked out from uses; nobody sets it."""

    list_display = (
        "subject",
        "member",
        "feature",
        "period_start",
        "period_end",
        "used",
        "reserved",
        "rolled",
        "ceiling",
    )
    list_filter = ("feature", "period_start")
    list_select_related = ("feature",)
    search_fields = ("subject__exact", "member__exact", "pool__exact")
    search_help_text = "user: and the whole id of who pays, a member by his whole id, or a grant by its id."


@admin.register(UsageEvent)
class UsageEventAdmin(ReadOnly):
    """A use never changes; what corrects it is a row beside it, by the API and with a reason."""

    list_display = ("at", "user_id", "feature", "units", "overage", "principal", "event_id", "corrects", "reason")
    list_filter = ("feature", ("corrects", admin.EmptyFieldListFilter), "at")
    list_select_related = ("feature",)
    search_fields = ("user_id__exact", "event_id__exact", "id__exact")
    search_help_text = "A user, a sender's event id, or a use, by the whole id."


@admin.register(Reservation)
class ReservationAdmin(ReadOnly):
    """What is held goes with its commit, its release or its end."""

    list_display = ("created_at", "user_id", "feature", "units", "committed", "status", "expires_at")
    list_filter = ("status", "feature", "expires_at")
    list_select_related = ("feature",)
    search_fields = ("user_id__exact", "id__exact")
    search_help_text = "A user or a reservation, by the whole id."
