from django.db import migrations

KINDS = ("subscription", "trial")


def seed(apps, schema_editor):
    rule = apps.get_model("billing", "PolicyRule")
    for kind in KINDS:
        rule.objects.get_or_create(kind=kind, cause="uncollectible", defaults={"action": "suspend"})


class Migration(migrations.Migration):
    dependencies = [("billing", "0025_policy_rules_for_uncollectible")]

    operations = [migrations.RunPython(seed, migrations.RunPython.noop)]
