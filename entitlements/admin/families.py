from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from unfold.admin import TabularInline

from config.office import ReadOnly
from entitlements.models import Family, FamilyMember


class Members(TabularInline[Any, Any]):
    model = FamilyMember
    fields = ("user_id", "role", "status", "status_at", "invited_at", "expires_at", "joined_at", "left_at")
    readonly_fields = fields
    extra = 0
    can_delete = False
    ordering = ("-pk",)

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody adds: an invitation is answered by whom it is for."""
        return False


@admin.register(Family)
class FamilyAdmin(ReadOnly):
    """A family changes by what its people do, or by the API with a reason."""

    list_display = ("owner_id", "name", "created_at", "closed_at")
    list_filter = (("closed_at", admin.EmptyFieldListFilter),)
    search_fields = ("owner_id__exact", "members__user_id__exact")
    search_help_text = "An owner or a member, by the whole id."
    fields = ("id", "owner_id", "name", "created_at", "closed_at")
    inlines = (Members,)
