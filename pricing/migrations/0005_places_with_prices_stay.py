"""Refuse to delete a country or zone that a price is set for: the price's removal must be in history first."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("pricing", "0004_quotes_frozen")]

    operations = [
        migrations.AlterField(
            model_name="priceoverride",
            name=name,
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="overrides",
                to=f"pricing.{name}",
            ),
        )
        for name in ("country", "zone")
    ]
