from django.db import migrations

from events.moves import guard

CHECKOUT = {"open": {"complete", "expired"}, "complete": set(), "expired": set()}
PAYMENT = {
    "pending": {"requires_action", "processing", "succeeded", "failed", "canceled"},
    "requires_action": {"processing", "succeeded", "failed", "canceled"},
    "processing": {"requires_action", "succeeded", "failed"},
    "failed": {"requires_action", "processing", "succeeded", "canceled"},
    "succeeded": set(),
    "canceled": set(),
}
REFUND = {
    "requested": {"pending", "succeeded", "failed", "canceled"},
    "pending": {"succeeded", "failed", "canceled"},
    "succeeded": {"failed"},
    "failed": set(),
    "canceled": set(),
}
SUBSCRIPTION = {
    "incomplete": {"active", "trialing", "incomplete_expired", "canceled"},
    "trialing": {"active", "past_due", "paused", "unpaid", "canceled"},
    "active": {"trialing", "past_due", "unpaid", "paused", "canceled"},
    "past_due": {"active", "unpaid", "paused", "canceled"},
    "unpaid": {"active", "canceled"},
    "paused": {"active", "trialing", "canceled"},
    "canceled": set(),
    "incomplete_expired": set(),
}
WEBHOOK = {
    "received": {"processed", "ignored", "retry", "dead"},
    "retry": {"processed", "ignored", "dead"},
    "dead": {"received"},
    "processed": set(),
    "ignored": set(),
}


class Migration(migrations.Migration):
    dependencies = [("billing", "0001_customers_payments_webhooks")]

    operations = [
        guard("billing_checkout", CHECKOUT),
        guard("billing_payment", PAYMENT),
        guard("billing_refund", REFUND),
        guard("billing_subscription", SUBSCRIPTION),
        guard("billing_webhookevent", WEBHOOK),
    ]
