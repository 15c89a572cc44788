"""What staff may look at and not touch, and what they change with a reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.db import connection
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.functional import cached_property
from unfold.admin import ModelAdmin
from unfold.forms import ActionForm
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from events import context

LONGEST_REASON = 500


class Pages(Paginator[Any]):
    """Pages of a long list: what is not filtered is not counted, as Postgres knows about how many there are."""

    MANY = 100_000

    @cached_property
    def count(self) -> int:
        """Return how many rows there are, about how many when there are very many."""
        rows: Any = self.object_list
        if not rows.query.where:
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT reltuples::bigint FROM pg_class WHERE oid = %s::regclass", [rows.model._meta.db_table]
                )
                about = int(cursor.fetchone()[0])
            if about >= self.MANY:
                return about
        return int(super().count)


class ReadOnly(ModelAdmin[Any]):
    """It changes by what happens, not by hand: staff look."""

    ordering = ("-pk",)
    paginator = Pages
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody adds."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody changes."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody deletes."""
        return False


def because(*, required: bool = True) -> forms.CharField:
    """Make the field that asks why."""
    words = "Why, for history. Name no person." if required else ""
    return forms.CharField(
        label="Why" if required else "",
        max_length=LONGEST_REASON,
        required=required,
        help_text=words,
        widget=UnfoldAdminTextInputWidget({"placeholder": "Why"}),
    )


class JsonBox(forms.JSONField):
    """A box for JSON, empty where nothing is said."""

    def __init__(self, *, rows: int = 1, help_text: str = ""):
        super().__init__(required=False, help_text=help_text, widget=UnfoldAdminTextareaWidget({"rows": rows}))

    def prepare_value(self, value: Any) -> Any:
        """Show nothing rather than null."""
        return "" if value is None else super().prepare_value(value)


class Explained(forms.ModelForm[Any]):
    """A page that is saved with a reason."""

    why = because()


class Asking(forms.Form):
    """The reason alone, for the page that asks whether to delete."""

    why = because()


class ExplainedAction(ActionForm):
    """What is done with the chosen rows, and why."""

    why = because(required=False)


def staff(request: HttpRequest) -> Any:
    """Let what follows be recorded as done by the one who is logged in, for the reason he gave."""
    return context.acting(f"staff:{request.user.get_username()}", because=reason(request))


def reason(request: HttpRequest) -> str:
    """Read the reason that was given; empty when there is none."""
    return request.POST.get("why", "").strip()[:LONGEST_REASON]


def deciding(
    request: HttpRequest, shown: dict[str, Any], decide: Callable[[], str], *, refusals: type[Exception], back: str
) -> HttpResponse:
    """Ask once more, and why; then decide, say what came of it, and lead back. What is refused is said on the page.

    `shown` has the page's `title`, what is `told`, the `verb` on the button, and the site's own context.
    """
    form = Asking(request.POST or None)
    if form.is_valid():
        try:
            with staff(request):
                said = decide()
        except refusals as refused:
            form.add_error(None, str(refused))
        else:
            messages.success(request, said)
            return HttpResponseRedirect(back)
    return render(request, "office/decision.html", {**shown, "form": form})


class Editing(ModelAdmin[Any]):
    """Staff change it, and say why. Rows are deleted one by one, each with its reason."""

    form = Explained
    action_form = ExplainedAction
    delete_confirmation_template = "office/delete.html"

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        """Ask for the reason wherever something can be saved."""
        may = self.has_change_permission(request, obj) if obj else self.has_add_permission(request)
        fields = super().get_fields(request, obj)
        return (*fields, "why") if may else fields

    def get_actions(self, request: HttpRequest) -> Any:
        """Leave out the deleting of many at once."""
        return {name: found for name, found in super().get_actions(request).items() if name != "delete_selected"}

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Delete nothing without a reason."""
        if request.method == "POST" and self.has_delete_permission(request) and not reason(request):
            messages.error(request, "Say why.")
            return HttpResponseRedirect(request.path)
        page: HttpResponse = super().delete_view(request, object_id, {**(extra_context or {}), "asking": Asking()})
        return page
