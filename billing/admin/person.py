"""One page for one user: what he may do and why, and all that is kept about him."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import display_for_field, display_for_value, label_for_field, lookup_field
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.html import format_html
from unfold.widgets import UnfoldAdminTextInputWidget

from billing import models as money
from entitlements import access, explain, models, standpoints
from entitlements.decisions import Decision
from entitlements.explain import Explanation
from entitlements.serializers.answers import explained
from events.models import Event, Mail

SHOWN = 10
NOBODYS = {"user_id", "user", "customer", "subject", "owner_id"}
Table = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Kept:
    """Rows of a model that are about a user: by which column, and by which word before his id."""

    model: type[Model]
    path: str
    prefix: str = ""


KEPT = (
    Kept(models.Entitlement, "user_id"),
    Kept(models.Override, "user_id"),
    Kept(models.UsageCounter, "subject", "user:"),
    Kept(models.Reservation, "user_id"),
    Kept(models.UsageEvent, "user_id"),
    Kept(models.Award, "user_id"),
    Kept(money.Subscription, "customer__user_id"),
    Kept(money.Payment, "customer__user_id"),
    Kept(money.Refund, "payment__customer__user_id"),
    Kept(money.RefundApproval, "payment__customer__user_id"),
    Kept(money.Dispute, "payment__customer__user_id"),
    Kept(money.ZoneCheck, "payment__customer__user_id"),
    Kept(money.Invoice, "customer__user_id"),
    Kept(money.Checkout, "customer__user_id"),
    Kept(money.SubscriptionOrder, "customer__user_id"),
    Kept(money.PaymentMethod, "customer__user_id"),
    Kept(money.Notice, "customer__user_id"),
    Kept(Mail, "subject", "user:"),
    Kept(Event, "subject", "user:"),
)


class PersonForm(forms.Form):
    user_id = forms.CharField(label="The user's whole id", max_length=255, widget=UnfoldAdminTextInputWidget)


def person_page(request: HttpRequest, each_context: dict[str, Any]) -> HttpResponse:
    """Ask for a user's id, and show all of him that the one who looks may see."""
    form = PersonForm(request.GET if "user_id" in request.GET else None)
    shown: dict[str, Any] = {**each_context, "title": "User", "form": form}
    if form.is_valid():
        user_id = form.cleaned_data["user_id"]
        shown |= {"title": f"User {user_id}", "user_id": user_id, "links": list(_links(request, user_id))}
        if request.user.has_perm("entitlements.view_entitlement"):
            shown |= _access(user_id, request.GET.get("feature", ""))
        shown["tables"] = [table for kept in KEPT if (table := _table(request, kept, user_id))]
    return render(request, "office/person.html", shown)


def address(user_id: str, **asked: str) -> str:
    """Return where the page of a user is."""
    return f"{reverse('admin:billing_customer_person')}?{urlencode({'user_id': user_id, **asked})}"


def _links(request: HttpRequest, user_id: str) -> Iterator[tuple[str, str]]:
    customer = money.Customer.objects.filter(user_id=user_id).only("pk").first()
    if customer and request.user.has_perm("billing.view_customer"):
        yield "Customer", reverse("admin:billing_customer_change", args=[customer.pk])
    member = models.FamilyMember.objects.filter(user_id=user_id, status=models.FamilyMember.Status.ACTIVE).first()
    if member and request.user.has_perm("entitlements.view_family"):
        yield f"Family ({member.role})", reverse("admin:entitlements_family_change", args=[member.family_id])
    if request.user.has_perm("entitlements.add_entitlement"):
        yield "Grant", f"{reverse('admin:entitlements_entitlement_grant')}?{urlencode({'user_id': user_id})}"
    if request.user.has_perm("entitlements.add_override"):
        yield "Override", f"{reverse('admin:entitlements_override_add')}?{urlencode({'user_id': user_id})}"


def _access(user_id: str, feature: str) -> dict[str, Any]:
    standpoint = standpoints.of([user_id], at=None)
    known = standpoint.known[user_id]
    answers = standpoint.answers(access.every_feature(known))
    headers = ["feature", "may he?", "reason", "value or limit", "used", "reserved", "left", "until", "from", ""]
    found: dict[str, Any] = {"answers": {"headers": headers, "rows": [_answer(user_id, each) for each in answers]}}
    if feature:
        found |= _why(explain.answer(access.Question(known, feature), standpoint))
    return found


def _answer(user_id: str, said: Decision) -> list[Any]:
    metered = said.kind == "metered"
    limit = "unlimited" if said.unlimited else said.limit
    return [
        said.feature_code,
        "yes" if said.allowed else "no",
        said.reason_code,
        _words(limit if metered else said.value),
        *((said.used, said.reserved, _words(said.remaining)) if metered else ("", "", "")),
        _words(said.expires_at),
        f"{said.source.type} {said.source.plan_id or ''}" if said.source else "",
        format_html('<a href="{}">why</a>', address(user_id, feature=said.feature_code)),
    ]


def _why(found: Explanation) -> dict[str, Any]:
    told = explained(found)
    considered = [
        [
            each["source"]["type"],
            each["effect"] or "",
            each["outcome"],
            each["reason"] or "",
            each["source"]["plan_id"] or "",
        ]
        for each in told["considered"]
    ]
    turning = [
        [each["change"], _words(each["units"]), _words(each["at"]), _words(each["plan"] and each["plan"]["id"])]
        for each in told["would_allow"]
    ]
    return {
        "feature": found.decision.feature_code,
        "considered": {"headers": ["what was looked at", "effect", "outcome", "reason", "plan"], "rows": considered},
        "turning": {"headers": ["what would allow it", "units", "at", "plan"], "rows": turning},
    }


def _table(request: HttpRequest, kept: Kept, user_id: str) -> Table | None:
    """Show the newest rows in the columns of their own list; none when there are none, or he may not look."""
    site = admin.site._registry[kept.model]
    if not site.has_view_permission(request):
        return None
    found = site.get_queryset(request).filter(**{kept.path: f"{kept.prefix}{user_id}"}).order_by("-pk")
    columns = [name for name in site.get_list_display(request) if name not in NOBODYS]
    named = {field.name for field in kept.model._meta.fields if field.is_relation} & set(columns)
    related = {*named, *(site.list_select_related if isinstance(site.list_select_related, tuple) else ())}
    rows = list(found.select_related(*related)[: SHOWN + 1] if related else found[: SHOWN + 1])
    if not rows:
        return None
    meta = kept.model._meta
    every = reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist")
    return {
        "title": str(meta.verbose_name_plural).capitalize(),
        "every": f"{every}?{urlencode({'q': f'{kept.prefix}{user_id}'})}" if len(rows) > SHOWN else "",
        "headers": [str(label_for_field(name, kept.model, site)) for name in columns],
        "rows": [_row(row, columns, site) for row in rows[:SHOWN]],
    }


def _row(row: Model, columns: list[Any], site: Any) -> list[Any]:
    cells = [_cell(row, name, site) for name in columns]
    page = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
    return [format_html('<a class="text-primary-600" href="{}">{}</a>', page, cells[0]), *cells[1:]]


def _cell(row: Model, name: Any, site: Any) -> Any:
    field, _, value = lookup_field(name, row, site)
    if field is None or isinstance(value, bool):
        return _words(value)
    return str(value) if field.is_relation and value is not None else display_for_field(value, field, "-")


def _words(value: Any) -> Any:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else display_for_value(value, "")
