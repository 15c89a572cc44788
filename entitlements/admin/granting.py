"""The page on which staff give access: the same verb as by the API."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminSplitDateTimeWidget,
    UnfoldAdminTextInputWidget,
)

from config.office import JsonBox, because, staff
from entitlements import awards
from entitlements.awards import Gift
from entitlements.errors import EntitlementsError
from entitlements.models import DECIDED, Award
from events.asking import Asking
from pricing.errors import PricingError
from pricing.models import Feature, Plan

KINDS = [(kind.value, kind.label) for kind in DECIDED]


class GrantForm(forms.Form):
    """`key` makes a second click the same grant."""

    key = forms.UUIDField(widget=forms.HiddenInput)
    user_id = forms.CharField(label="User", max_length=255, widget=UnfoldAdminTextInputWidget)
    plan = forms.ModelChoiceField(Plan.objects.order_by("pk"), required=False, widget=UnfoldAdminSelectWidget)
    feature = forms.ModelChoiceField(
        Feature.objects.order_by("pk"), required=False, widget=UnfoldAdminSelectWidget, help_text="Instead of a plan."
    )
    source_type = forms.ChoiceField(label="Kind", choices=KINDS, widget=UnfoldAdminSelectWidget)
    starts_at = forms.SplitDateTimeField(
        required=False, widget=UnfoldAdminSplitDateTimeWidget, help_text="UTC. Empty: now."
    )
    expires_at = forms.SplitDateTimeField(
        required=False, widget=UnfoldAdminSplitDateTimeWidget, help_text="UTC. Empty: for life."
    )
    usage_limits = JsonBox(
        rows=3, help_text='For a metered feature, such as {"api_calls": {"limit": 500, "period": "month"}}.'
    )
    value = JsonBox(help_text='Of a static feature, as JSON: "priority" or ["csv"].')
    why = because()

    def clean(self) -> dict[str, Any]:
        """Refuse both and neither of plan and feature."""
        said = super().clean() or {}
        if bool(said.get("plan")) == bool(said.get("feature")):
            raise forms.ValidationError("Name a plan or a feature, and not both.")
        return said

    def gift(self) -> Gift:
        """Return what is to be given."""
        said = self.cleaned_data
        return Gift(
            plan_id=said["plan"].pk if said["plan"] else "",
            feature_code=said["feature"].pk if said["feature"] else "",
            source_type=said["source_type"],
            starts_at=said["starts_at"],
            ends_at=said["expires_at"],
            limits=said["usage_limits"],
            value=said["value"],
        )


def grant_page(request: HttpRequest, each_context: dict[str, Any]) -> HttpResponse:
    """Show the form, or give what it says."""
    form = GrantForm(request.POST or None, initial={"key": uuid4(), "user_id": request.GET.get("user_id", "")})
    if form.is_valid():
        try:
            award = _give(request, form)
        except (EntitlementsError, PricingError) as refused:
            form.add_error(None, str(refused))
        else:
            messages.success(request, f"Granted: {award}.")
            found = reverse("admin:entitlements_entitlement_changelist")
            return HttpResponseRedirect(f"{found}?q={award.user_id}")
    return render(request, "office/grant.html", {**each_context, "title": "Grant", "form": form})


def _give(request: HttpRequest, form: GrantForm) -> Award:
    said = {name: str(value) for name, value in form.cleaned_data.items()}
    asking = Asking.of(f"staff:{request.user.get_username()}", said.pop("key"), said)
    with staff(request):
        award, _ = awards.give(
            form.cleaned_data["user_id"], form.gift(), reason=form.cleaned_data["why"], asking=asking
        )
    return award
