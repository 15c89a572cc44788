from django.db import migrations

LATE = {"past_due": ("shorten", 7), "unpaid": ("suspend", 0), "paused": ("suspend", 0)}
RULES = {
    "one_time": {
        "full_refund": ("revoke", 0),
        "partial_refund": ("keep", 0),
        "dispute_opened": ("keep", 0),
        "dispute_won": ("keep", 0),
        "dispute_lost": ("revoke", 0),
    },
    "subscription": {
        "full_refund": ("suspend", 0),
        "partial_refund": ("keep", 0),
        "dispute_opened": ("keep", 0),
        "dispute_won": ("keep", 0),
        "dispute_lost": ("suspend", 0),
        **LATE,
    },
    "trial": LATE,
}


def seed(apps, schema_editor):
    rule = apps.get_model("billing", "PolicyRule")
    for kind, causes in RULES.items():
        for cause, (action, days) in causes.items():
            rule.objects.get_or_create(kind=kind, cause=cause, defaults={"action": action, "days": days})


class Migration(migrations.Migration):
    dependencies = [("billing", "0018_policy_rules")]

    operations = [migrations.RunPython(seed, migrations.RunPython.noop)]
