"""The back office of money, one module a noun."""

from billing.admin import customers, invoices, mirror, payments, refunds, subscriptions, webhooks

__all__ = ["customers", "invoices", "mirror", "payments", "refunds", "subscriptions", "webhooks"]
