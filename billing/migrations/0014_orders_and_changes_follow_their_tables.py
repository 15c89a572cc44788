from django.db import migrations

from events.moves import guard

ORDER = {"open": {"complete", "failed"}, "complete": set(), "failed": set()}
CHANGE = {
    "previewed": {"asked"},
    "asked": {"waiting", "scheduled", "applied", "failed"},
    "waiting": {"applied", "failed"},
    "scheduled": {"applied", "dropped"},
    "applied": set(),
    "failed": set(),
    "dropped": set(),
}


class Migration(migrations.Migration):
    dependencies = [("billing", "0013_subscriptions_ordered_and_changed")]

    operations = [guard("billing_subscriptionorder", ORDER), guard("billing_subscriptionchange", CHANGE)]
