from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminIntegerFieldWidget

from billing import rules, tasks
from billing.models import PolicyRule
from billing.policy import Action, Cause, Kind, Rule
from config.celery import bell
from config.office import Editing, Explained, staff
from events import clock

SHOWN = 50


class RuleForm(Explained):
    hits = forms.IntegerField(
        required=False,
        label="Hits",
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text="Save without it to see whose access the change touches; nothing is written yet. Then give their "
        "number. The change is for the present too: access of all of them follows within a minute. What was revoked "
        "before stays revoked.",
    )

    def clean(self) -> dict[str, Any]:
        """Show whom the change hits until their number is given."""
        said = super().clean() or {}
        if self.errors:
            return said
        if said["days"] and said["action"] != Action.SHORTEN:
            raise forms.ValidationError({"days": "Only shorten counts days."})
        found = rules.preview(Kind(self.instance.kind), Cause(self.instance.cause), self.rule(said))
        if said.get("hits") != len(found):
            more = [f"and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
            listed = [str(hit) for hit in found[:SHOWN]] + more
            raise forms.ValidationError({"hits": [f"This changes the access of {len(found)} sources.", *listed]})
        return said

    def rule(self, said: dict[str, Any]) -> Rule:
        """Return what the page says."""
        return Rule(Action(said["action"]), said["days"])


@admin.register(PolicyRule)
class PolicyRuleAdmin(Editing):
    form = RuleForm
    fields = ("kind", "cause", "action", "days", "hits")
    readonly_fields = ("kind", "cause")
    list_display = ("kind", "cause", "action", "days", "due", "updated_at")
    list_filter = ("kind", "cause")
    ordering = ("kind", "cause")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: PolicyRule, form: RuleForm, change: bool) -> None:
        said = form.cleaned_data
        with staff(request):
            rules.change(Kind(obj.kind), Cause(obj.cause), form.rule(said), hits=said["hits"], at=clock.now())
        bell.ring(tasks.apply_policy)
