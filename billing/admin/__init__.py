"""The back office of money, one module a noun."""

from billing.admin import customers, invoices, mirror, payment_methods, payments, refunds, subscriptions, webhooks

__all__ = ["customers", "invoices", "mirror", "payment_methods", "payments", "refunds", "subscriptions", "webhooks"]
