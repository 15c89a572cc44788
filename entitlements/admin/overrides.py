from __future__ import annotations

from typing import Any
from uuid import uuid4

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminSplitDateTimeWidget

from config.office import Editing, Explained, JsonBox, reason, staff
from entitlements import overrides
from entitlements.errors import EntitlementsError
from entitlements.models import Override
from entitlements.overrides import Ruling
from events import clock
from events.asking import Asking
from pricing.models import Feature

SAID = ("user_id", "feature", "effect", "value", "limit", "operation", "starts_at", "ends_at", "ticket")


class OverrideForm(Explained):
    """`key` makes a second click the same override."""

    key = forms.UUIDField(widget=forms.HiddenInput, initial=uuid4)
    value = JsonBox(help_text='Of a static feature, as JSON: "priority" or ["csv"].')
    limit = forms.IntegerField(
        required=False,
        min_value=0,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="Of a metered feature with the effect value; empty is unlimited.",
    )
    starts_at = forms.SplitDateTimeField(
        required=False, widget=UnfoldAdminSplitDateTimeWidget, help_text="UTC. Empty: now."
    )

    def clean(self) -> dict[str, Any]:
        """Show what the rules of overrides refuse."""
        said = super().clean() or {}
        if not self.errors:
            try:
                overrides.require_sound(self.ruling(), at=clock.now())
            except EntitlementsError as refused:
                raise ValidationError(str(refused)) from refused
        return said

    def ruling(self) -> Ruling:
        """Return what the page says. An empty limit of a metered feature is unlimited."""
        said = self.cleaned_data
        feature: Feature = said["feature"]
        counted = feature.kind == Feature.Kind.METERED and said["effect"] == Override.Effect.VALUE
        return Ruling(
            feature.code,
            said["effect"],
            value=said["value"],
            has_limit=counted or said["limit"] is not None,
            limit=said["limit"],
            operation=said["operation"],
            starts_at=said["starts_at"],
            ends_at=said["ends_at"],
            ticket=said["ticket"],
        )


@admin.register(Override)
class OverrideAdmin(Editing):
    """Staff add an override and take it back, each with a reason; nothing else of it changes."""

    form = OverrideForm
    list_display = (
        "created_at",
        "user_id",
        "feature",
        "effect",
        "limit",
        "value",
        "starts_at",
        "ends_at",
        "removed_at",
    )
    list_filter = ("effect", "feature")
    list_select_related = ("feature",)
    search_fields = ("user_id__exact", "ticket__exact")
    ordering = ("-pk",)

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        """Ask for what an override says; of one that is there show all."""
        return (*SAID, "reason", "actor", "created_at", "removed_at") if obj else (*SAID, "key", "why")

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Override | None = None) -> bool:
        gone = obj is not None and obj.removed_at is not None
        return not gone and bool(super().has_delete_permission(request, obj))

    def save_model(self, request: HttpRequest, obj: Override, form: OverrideForm, change: bool) -> None:
        body = {name: str(said) for name, said in form.cleaned_data.items() if name != "key"}
        key = str(form.cleaned_data["key"])
        asking = Asking.of(f"staff:{request.user.get_username()}", key, body)
        with staff(request):
            made, _ = overrides.add(form.cleaned_data["user_id"], form.ruling(), reason=reason(request), asking=asking)
        obj.pk = made.pk

    def delete_model(self, request: HttpRequest, obj: Override) -> None:
        """Take it back: the row stays to be read."""
        with staff(request):
            overrides.remove(obj, reason=reason(request))
