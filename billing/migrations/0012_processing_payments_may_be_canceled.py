from django.db import migrations

from events.moves import guard

PAYMENT = {
    "pending": {"requires_action", "processing", "succeeded", "failed", "canceled"},
    "requires_action": {"processing", "succeeded", "failed", "canceled"},
    "processing": {"requires_action", "succeeded", "failed", "canceled"},
    "failed": {"requires_action", "processing", "succeeded", "canceled"},
    "succeeded": set(),
    "canceled": set(),
}


class Migration(migrations.Migration):
    dependencies = [("billing", "0011_payments_that_are_asked_for")]

    operations = [guard("billing_payment", PAYMENT)]
