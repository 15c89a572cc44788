from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from unfold.admin import TabularInline
from unfold.decorators import action, display

from billing import subscriptions, sync
from billing.admin.states import Moving, money
from billing.errors import BillingError
from billing.models import Subscription, SubscriptionChange, SubscriptionItem, SubscriptionOrder
from config.office import deciding, staff


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
    actions_detail = ("cancel", "cancel_now")

    @display(description="plan")
    def plan(self, row: Subscription) -> str:
        """Name the plan."""
        return str(row.version.plan_id)

    @display(description="pending change")
    def pending(self, row: Any) -> str:
        """Name the change that waits."""
        change = next(iter(row.open_changes), None)
        return f"{change.quantity} x {change.quote.version.plan_id}, {change.status}" if change else ""

    @action(description="Cancel with its period", url_path="cancel", permissions=["cancel"])
    def cancel(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """End it when what is paid is over."""
        return self._end(request, object_id, now=False)

    @action(description="Cancel now", url_path="cancel-now", permissions=["cancel_now"])
    def cancel_now(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """End it, and its access, at once."""
        return self._end(request, object_id, now=True)

    def has_cancel_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Let those who may change a subscription, while it runs."""
        return request.user.has_perm("billing.change_subscription") and _runs(object_id)

    def has_cancel_now_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Let those who may delete one: paid access ends, and no money goes back by itself."""
        return request.user.has_perm("billing.delete_subscription") and _runs(object_id)

    def _end(self, request: HttpRequest, object_id: str, *, now: bool) -> HttpResponse:
        subscription = get_object_or_404(Subscription.objects.select_related("customer", "version"), pk=object_id)
        end = "now; no money goes back by itself" if now else f"on {subscription.current_period_end:%Y-%m-%d %H:%M} UTC"
        shown = {
            **self.admin_site.each_context(request),
            "title": f"Cancel {subscription.version.plan_id} of {subscription.customer.user_id}",
            "told": f"{subscription.stripe_id}, {subscription.status}: it ends {end}.",
            "verb": "Cancel now" if now else "Cancel with its period",
        }
        back = reverse("admin:billing_subscription_change", args=[subscription.pk])
        return deciding(request, shown, lambda: _cancel(subscription, now=now), refusals=BillingError, back=back)

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


def _runs(object_id: str | None) -> bool:
    return object_id is None or Subscription.objects.filter(pk=object_id, status__in=Subscription.LIVE).exists()


def _cancel(subscription: Subscription, *, now: bool) -> str:
    subscriptions.cancel(subscription, now=now)
    subscription.refresh_from_db()
    if subscription.status not in Subscription.LIVE:
        return f"It has ended: {subscription.status}."
    return f"It ends on {subscription.cancel_at:%Y-%m-%d %H:%M} UTC."


@admin.register(SubscriptionOrder)
class SubscriptionOrderAdmin(Moving):
    list_display = ("created_at", "customer", "product_line", "quantity", "trial_days", "state", "failure_reason")
    list_filter = ("status",)
    list_select_related = ("customer",)
    search_fields = ("customer__user_id", "stripe_id")
    search_help_text = "A user, or Stripe's id (sub_...), or a part of it."
