from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from unfold.decorators import action

from billing import customers
from billing.admin.person import address, person_page
from billing.models import Customer
from config.office import ReadOnly


@admin.register(Customer)
class CustomerAdmin(ReadOnly):
    list_display = ("user_id", "stripe_id", "created_at")
    search_fields = ("user_id", "stripe_customers__stripe_id")
    search_help_text = "The user's id, Stripe's id, or the whole e-mail address."
    actions_list = ("person",)
    actions_detail = ("everything",)

    @action(description="Look up a user", url_path="person", permissions=["view"])
    def person(self, request: HttpRequest) -> HttpResponse:
        """Show what a user has, and why he may do what he may: a customer or not."""
        return person_page(request, self.admin_site.each_context(request))

    @action(description="All of this user", url_path="everything", permissions=["view"])
    def everything(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Lead to the page of this user."""
        return HttpResponseRedirect(address(get_object_or_404(Customer, pk=object_id).user_id))

    def get_exclude(self, request: HttpRequest, obj: Customer | None = None) -> tuple[str, ...]:
        """Show what names the person to superusers alone."""
        plumbing = ("idempotency_key", "request_hash", "busy_until", "attempt")
        return plumbing if request.user.is_superuser else (*plumbing, "email", "name")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find an e-mail address by its blind index: the column itself is sealed."""
        if "@" in search_term:
            return queryset.filter(pk__in=customers.with_email(search_term)), False
        found: tuple[QuerySet[Any], bool] = super().get_search_results(request, queryset, search_term)
        return found
