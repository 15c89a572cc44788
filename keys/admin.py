from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from config.office import ExplainedAction, ReadOnly, reason, staff
from events import clock
from keys import service_keys
from keys.errors import KeyNotFound
from keys.models import ServiceKey


@admin.register(ServiceKey)
class ServiceKeyAdmin(ReadOnly):
    """Keys are made on the command line, where the one sight of them is not a web page; staff look, and revoke."""

    list_display = ("name", "prefix", "scopes", "created_at", "expires_at", "revoked_at", "last_used_at")
    list_filter = ("name",)
    search_fields = ("name", "prefix")
    exclude = ("digest",)
    action_form = ExplainedAction
    actions = ("revoke",)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Let those revoke who may change keys."""
        return bool(request.user.has_perm("keys.change_servicekey"))

    @admin.action(description="Revoke now", permissions=["revoke"])
    def revoke(self, request: HttpRequest, keys: QuerySet[ServiceKey]) -> None:
        """End the chosen keys, and say why."""
        if not reason(request):
            self.message_user(request, "Nothing was revoked: say why, beside the action.", messages.ERROR)
            return
        for key in keys:
            try:
                with staff(request):
                    service_keys.revoke(key.prefix, why=reason(request), at=clock.now())
            except KeyNotFound as refused:
                self.message_user(request, str(refused), messages.WARNING)
            else:
                self.message_user(request, f"{key} is revoked; every process refuses it within 60 s.")
