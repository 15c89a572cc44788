from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import display

from billing import replays
from billing.admin.states import Moving
from billing.models import Finding, WebhookEvent
from config.office import ExplainedAction, ReadOnly, staff


@admin.register(WebhookEvent)
class WebhookEventAdmin(Moving):
    list_display = ("received_at", "type", "looks_at", "state", "attempts", "last_error", "filled")
    list_filter = ("status", "filled", "livemode")
    search_fields = ("stripe_id__exact", "looks_at__exact", "type__exact")
    search_help_text = "An event (evt_...), what it is about (pi_...), or a type, whole."
    exclude = ("body",)
    action_form = ExplainedAction
    actions = ("replay",)

    def has_replay_permission(self, request: HttpRequest) -> bool:
        """Let those replay who may see: it looks again at Stripe, and decides nothing."""
        return bool(request.user.has_perm("billing.view_webhookevent"))

    @admin.action(description="Replay: look again at Stripe", permissions=["replay"])
    def replay(self, request: HttpRequest, events: QuerySet[WebhookEvent]) -> None:
        """Look again at what the chosen events are about."""
        with staff(request):
            looked = replays.replay_all(events.defer("body").order_by("pk"))
        self.message_user(request, f"{looked} objects looked at.")


@admin.register(Finding)
class FindingAdmin(ReadOnly):
    list_display = ("opened_at", "kind", "object", "differs", "closed_at")
    list_filter = (("closed_at", admin.EmptyFieldListFilter), "kind")
    search_fields = ("object",)
    search_help_text = "What it is about, such as pi_... or a part of it."

    @display(description="what differs")
    def differs(self, row: Finding) -> str:
        """Show what was found on both sides."""
        return ", ".join(f"{name}: {said}" for name, said in row.data.items())
