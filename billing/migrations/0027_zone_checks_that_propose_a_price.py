import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("pricing", "0007_zone_imports_once_per_key"), ("billing", "0026_policy_rules_for_uncollectible_seeded")]

    operations = [
        migrations.AddField("zonecheck", "answer_until", models.DateTimeField(blank=True, null=True)),
        migrations.AddField(
            "zonecheck",
            "change",
            models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="billing.subscriptionchange",
            ),
        ),
        migrations.AddField(
            "zonecheck",
            "proposed",
            models.ForeignKey(
                blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="pricing.quote"
            ),
        ),
        migrations.AddField(
            "zonecheck",
            "subscription",
            models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="zone_checks",
                to="billing.subscription",
            ),
        ),
        migrations.AddField(
            "zonecheck",
            "to_cancel",
            models.BooleanField(default=False, help_text="Without consent it ends with its period: not asked yet."),
        ),
    ]
