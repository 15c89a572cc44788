from __future__ import annotations

from django.contrib import admin

from billing.models import PaymentMethod
from config.office import ReadOnly


@admin.register(PaymentMethod)
class PaymentMethodAdmin(ReadOnly):
    list_display = ("created_at", "customer", "type", "brand", "last4", "card_country", "is_default", "detached_at")
    list_filter = ("type", "brand", "is_default")
    list_select_related = ("customer",)
    search_fields = ("stripe_id", "customer__user_id")
    exclude = ("fingerprint", "idempotency_key", "request_hash", "busy_until", "attempt")
