from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import TabularInline
from unfold.decorators import display

from billing.admin.states import Moving, money
from billing.models import Invoice, InvoiceLine, Notice
from config.office import ReadOnly
from pricing.money import Money


class Lines(TabularInline):
    model = InvoiceLine
    fields = ("description", "amount", money("tax_minor"), "quantity", "proration", "period_start", "period_end")
    readonly_fields = fields
    ordering = ("position",)
    extra = 0

    @display(description="amount")
    def amount(self, row: InvoiceLine) -> Money:
        """Show it with its currency."""
        return row.amount

    def get_queryset(self, request: HttpRequest) -> QuerySet[InvoiceLine]:
        """Bring the invoice along: it has the currency."""
        found: QuerySet[InvoiceLine] = super().get_queryset(request)
        return found.select_related("invoice")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody adds."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody changes."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody deletes."""
        return False


@admin.register(Invoice)
class InvoiceAdmin(Moving):
    list_display = ("created_at", "number", "customer", "amount", "remaining", "state", "billing_reason", "period_end")
    list_filter = ("status", "currency", "billing_reason")
    list_select_related = ("customer",)
    search_fields = ("customer__user_id", "stripe_id", "number")
    search_help_text = "A user, a number, or Stripe's id (in_...), or a part of it."
    # Who has one of these links sees the customer's name and address.
    exclude = ("hosted_invoice_url", "invoice_pdf")
    inlines = (Lines,)

    @display(description="still owed")
    def remaining(self, row: Invoice) -> Money | str:
        """Show what is not paid yet."""
        return Money(row.amount_remaining_minor, row.currency) if row.amount_remaining_minor else ""


@admin.register(Notice)
class NoticeAdmin(ReadOnly):
    list_display = ("created_at", "kind", "customer", "object", "occasion")
    list_filter = ("kind",)
    list_select_related = ("customer",)
    search_fields = ("customer__user_id", "object")
