"""Let a quote remember the Idempotency-Key it was asked under."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("pricing", "0005_places_with_prices_stay")]

    operations = [
        migrations.AddField(
            model_name="quote",
            name="principal",
            field=models.CharField(blank=True, default="", help_text="Who asked for it under the key.", max_length=300),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="quote",
            name="idempotency_key",
            field=models.CharField(blank=True, max_length=255, null=True),
        ),
        migrations.AddConstraint(
            model_name="quote",
            constraint=models.UniqueConstraint(fields=("principal", "idempotency_key"), name="one_quote_per_key"),
        ),
    ]
