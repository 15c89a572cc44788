from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest
from unfold.admin import TabularInline
from unfold.decorators import action, display

from billing import sync
from billing.admin.states import Moving, money
from billing.models import Subscription, SubscriptionChange, SubscriptionItem, SubscriptionOrder
from config.office import staff


class Shown(TabularInline[Any, Any]):
    """Rows beside a page, to look at."""

    beside: tuple[str, ...] = ()
    extra = 0
    can_delete = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Bring along what each row names."""
        found: QuerySet[Any] = super().get_queryset(request)
        return found.select_related(*self.beside)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody adds."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody changes."""
        return False


class Items(Shown):
    beside = ("version",)
    model = SubscriptionItem
    fields = ("version", "quantity", "main", "stripe_id", "removed_at")


class Changes(Shown):
    beside = ("quote",)
    model = SubscriptionChange
    fields = ("status", "quote", "quantity", "when", money("due_minor"), money("next_minor"), "effective_at")
    readonly_fields = fields


@admin.register(Subscription)
class SubscriptionAdmin(Moving):
    list_display = ("customer", "plan", "quantity", "state", "pending", "current_period_end", "cancel_at", "doubled")
    list_filter = ("status", "duplicate")
    list_select_related = ("customer", "version")
    search_fields = ("customer__user_id", "stripe_id")
    search_help_text = "A user, or Stripe's id (sub_...), or a part of it."
    inlines = (Items, Changes)
    actions = ("look_again",)

    @display(description="plan")
    def plan(self, row: Subscription) -> str:
        """Name the plan."""
        return str(row.version.plan_id)

    @display(description="pending change")
    def pending(self, row: Any) -> str:
        """Name the change that waits."""
        change = next(iter(row.open_changes), None)
        return f"{change.quantity} x {change.quote.version.plan_id}, {change.status}" if change else ""

    @display(description="duplicate", label={"duplicate": "danger"})
    def doubled(self, row: Subscription) -> str:
        """Mark what staff must settle: another one was live already."""
        return "duplicate" if row.duplicate else ""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Subscription]:
        """Bring the change that waits along with each."""
        waiting = SubscriptionChange.objects.filter(status__in=SubscriptionChange.OPEN).select_related("quote__version")
        found: QuerySet[Subscription] = super().get_queryset(request)
        return found.prefetch_related(Prefetch("changes", queryset=waiting, to_attr="open_changes"))

    @action(description="Look again at Stripe")
    def look_again(self, request: HttpRequest, chosen: QuerySet[Subscription]) -> None:
        """Bring the chosen rows to what Stripe says of them now."""
        with staff(request):
            seen = sum(sync.try_look(row.stripe_id) for row in chosen)
        messages.info(request, f"{seen} looked at.")


@admin.register(SubscriptionOrder)
class SubscriptionOrderAdmin(Moving):
    list_display = ("created_at", "customer", "product_line", "quantity", "trial_days", "state", "failure_reason")
    list_filter = ("status",)
    list_select_related = ("customer",)
    search_fields = ("customer__user_id", "stripe_id")
    search_help_text = "A user, or Stripe's id (sub_...), or a part of it."
