from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from unfold.decorators import action, display

from billing.admin.refunding import refund_page
from billing.admin.states import Moving, OfPayment
from billing.models import Checkout, Payment, PaymentAttempt
from pricing.money import Money


@admin.register(Checkout)
class CheckoutAdmin(Moving):
    list_display = ("created_at", "customer", "plan", "country", "amount", "state")
    list_filter = ("status", "mode")
    list_select_related = ("customer", "quote__version")
    search_fields = ("customer__user_id", "stripe_id")
    search_help_text = "A user, or Stripe's id (cs_...), or a part of it."

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
    search_help_text = "A user, Stripe's id (pi_...) or an order, or a part of it."
    actions_detail = ("refund",)

    @action(description="Refund", url_path="refund", permissions=["refund"])
    def refund(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Give money back."""
        return refund_page(request, object_id, self.admin_site.each_context(request))

    def has_refund_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Let those who may add a refund. Named as "billing.add_refund" the check would ask an empty database."""
        return request.user.has_perm("billing.add_refund")

    @display(description="refunded")
    def refunded(self, row: Payment) -> Money | str:
        """Show what was paid back."""
        return Money(row.refunded_minor, row.currency) if row.refunded_minor else ""


@admin.register(PaymentAttempt)
class PaymentAttemptAdmin(OfPayment):
    list_display = ("tried_at", "user", "payment", "amount", "state", "failure_code", "decline_code", "card_country")
    list_filter = ("status",)
    search_fields = ("stripe_id", "payment__stripe_id", "payment__customer__user_id")
