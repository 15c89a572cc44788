"""The back office of money, one module a noun."""

from billing.admin import customers, mirror, payments, refunds, subscriptions, webhooks

__all__ = ["customers", "mirror", "payments", "refunds", "subscriptions", "webhooks"]
