from __future__ import annotations

from typing import Any

from django.apps import apps
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import display

from billing import customers
from billing.models import Checkout, Customer, Finding, Payment, Refund, RefundApproval, Subscription, WebhookEvent
from config.office import ReadOnly
from pricing.money import Money

MIRRORED = ("Customer", "PaymentIntent", "Charge", "Refund", "Subscription", "Invoice", "Session", "Price", "Product")
COLOURS = {
    "succeeded": "success",
    "active": "success",
    "complete": "success",
    "processed": "success",
    "failed": "danger",
    "dead": "danger",
    "past_due": "warning",
    "unpaid": "danger",
    "retry": "warning",
    "requires_action": "warning",
}


class Moving(ReadOnly):
    @display(description="status", label=COLOURS, ordering="status")
    def state(self, row: Any) -> str:
        """Show the status in its colour, a refunded payment as refunded."""
        return str(getattr(row, "shown_status", row.status))


class MirrorAdmin(ReadOnly):
    """Stripe's objects as dj-stripe keeps them: its own pages may add and fetch, these only show."""

    list_display = ("id", "created", "livemode")
    search_fields = ("id",)


for model in apps.get_app_config("djstripe").get_models():
    if admin.site.is_registered(model):
        admin.site.unregister(model)
for name in MIRRORED:
    admin.site.register(apps.get_model("djstripe", name), MirrorAdmin)


@admin.register(Customer)
class CustomerAdmin(ReadOnly):
    list_display = ("user_id", "stripe_id", "created_at")
    search_fields = ("user_id", "stripe_id")
    search_help_text = "The user's id, Stripe's id, or the whole e-mail address."

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find an e-mail address by its blind index: the column itself is sealed."""
        if "@" in search_term:
            return queryset.filter(pk__in=customers.with_email(search_term)), False
        found: tuple[QuerySet[Any], bool] = super().get_search_results(request, queryset, search_term)
        return found


@admin.register(Checkout)
class CheckoutAdmin(Moving):
    list_display = ("created_at", "customer", "plan", "country", "amount", "state")
    list_filter = ("status", "mode")
    list_select_related = ("customer", "quote__version")
    search_fields = ("customer__user_id", "stripe_id")

    @display(description="plan")
    def plan(self, row: Checkout) -> str:
        """Name the plan."""
        return str(row.quote.version.plan_id)

    @display(description="country")
    def country(self, row: Checkout) -> str:
        """Name the country and its zone."""
        return f"{row.quote.country_code} (zone {row.quote.zone_code})"

    @display(description="amount")
    def amount(self, row: Checkout) -> Money:
        """Show the frozen price."""
        return row.quote.amount


@admin.register(Payment)
class PaymentAdmin(Moving):
    list_display = ("created_at", "customer", "description", "amount", "state", "refunded", "failure_code")
    list_filter = ("status", "currency")
    list_select_related = ("customer",)
    search_fields = ("customer__user_id", "stripe_id", "order_id")

    @display(description="refunded")
    def refunded(self, row: Payment) -> Money | str:
        """Show what was paid back."""
        return Money(row.refunded_minor, row.currency) if row.refunded_minor else ""


@admin.register(Refund)
class RefundAdmin(Moving):
    list_display = ("created_at", "payment", "amount", "state", "reason", "principal")
    list_filter = ("status", "reason")
    list_select_related = ("payment",)
    search_fields = ("stripe_id", "payment__customer__user_id")


@admin.register(RefundApproval)
class RefundApprovalAdmin(Moving):
    list_display = ("created_at", "payment", "amount", "state", "reason", "principal", "decided_by")
    list_filter = ("status",)
    list_select_related = ("payment",)
    search_fields = ("payment__customer__user_id", "principal", "decided_by")


@admin.register(Subscription)
class SubscriptionAdmin(Moving):
    list_display = ("customer", "plan", "state", "current_period_end", "cancel_at", "duplicate")
    list_filter = ("status", "duplicate")
    list_select_related = ("customer", "version")
    search_fields = ("customer__user_id", "stripe_id")

    @display(description="plan")
    def plan(self, row: Subscription) -> str:
        """Name the plan."""
        return str(row.version.plan_id)


@admin.register(WebhookEvent)
class WebhookEventAdmin(Moving):
    list_display = ("received_at", "type", "looks_at", "state", "attempts", "last_error")
    list_filter = ("status", "type")
    search_fields = ("stripe_id", "looks_at")
    exclude = ("body",)


@admin.register(Finding)
class FindingAdmin(ReadOnly):
    list_display = ("opened_at", "kind", "object", "closed_at")
    list_filter = ("kind",)
    search_fields = ("object",)
