"""The back office of money, one module a noun."""

from billing.admin import (
    customers,
    disputes,
    invoices,
    mirror,
    payment_methods,
    payments,
    policy,
    refunds,
    subscriptions,
    webhooks,
    zone_checks,
)

__all__ = [
    "customers",
    "disputes",
    "invoices",
    "mirror",
    "payment_methods",
    "payments",
    "policy",
    "refunds",
    "subscriptions",
    "webhooks",
    "zone_checks",
]
