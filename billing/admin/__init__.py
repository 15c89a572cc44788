"""The back office of money, one module a noun."""

from billing.admin import customers, disputes, mirror, payments, policy, refunds, subscriptions, webhooks

__all__ = ["customers", "disputes", "mirror", "payments", "policy", "refunds", "subscriptions", "webhooks"]
