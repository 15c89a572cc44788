from __future__ import annotations

from collections.abc import Iterator

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from unfold.decorators import action

from config.office import ExplainedAction, ReadOnly, reason, staff
from entitlements import amendments
from entitlements.admin.granting import grant_page
from entitlements.errors import EntitlementsError
from entitlements.models import Award, Entitlement

Status = Entitlement.Status


@admin.register(Entitlement)
class EntitlementAdmin(ReadOnly):
    """Access follows what grants it. Staff give more, hold back and take away, each with a reason."""

    action_form = ExplainedAction
    actions = ("suspend", "resume", "revoke")
    actions_list = ("grant",)
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

    @action(description="Grant", url_path="grant", permissions=["grant"])
    def grant(self, request: HttpRequest) -> HttpResponse:
        """Give access without a purchase."""
        return grant_page(request, self.admin_site.each_context(request))

    @admin.action(description="Suspend: hold back", permissions=["amend"])
    def suspend(self, request: HttpRequest, grants: QuerySet[Entitlement]) -> None:
        """Hold the chosen grants back until staff give them again."""
        _amend(request, grants, Status.SUSPENDED)

    @admin.action(description="Resume: give again", permissions=["amend"])
    def resume(self, request: HttpRequest, grants: QuerySet[Entitlement]) -> None:
        """Give again what staff held back."""
        _amend(request, grants, Status.ACTIVE)

    @admin.action(description="Revoke: take away for good", permissions=["amend"])
    def revoke(self, request: HttpRequest, grants: QuerySet[Entitlement]) -> None:
        """Take the chosen grants away for good."""
        _amend(request, grants, Status.REVOKED)

    def has_grant_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Let those who may add an entitlement."""
        return request.user.has_perm("entitlements.add_entitlement")

    def has_amend_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Let those who may change an entitlement."""
        return request.user.has_perm("entitlements.change_entitlement")


def _amend(request: HttpRequest, grants: QuerySet[Entitlement], status: str) -> None:
    if not reason(request):
        messages.error(request, "Nothing was changed: say why, beside the action.")
        return
    refused = list(_refused(request, grants, status))
    for words in refused:
        messages.error(request, words)
    messages.success(request, f"Now {status}: {len(grants) - len(refused)}.")


def _refused(request: HttpRequest, grants: QuerySet[Entitlement], status: str) -> Iterator[str]:
    for grant in grants:
        try:
            with staff(request):
                amendments.amend(grant, {"status": status}, reason=reason(request))
        except EntitlementsError as refused:
            yield f"{grant}: {refused}"


@admin.register(Award)
class AwardAdmin(ReadOnly):
    list_display = ("created_at", "user_id", "version", "feature", "source_type", "actor", "reason")
    list_filter = ("source_type",)
    list_select_related = ("version", "feature")
    search_fields = ("user_id__exact", "id__exact")
