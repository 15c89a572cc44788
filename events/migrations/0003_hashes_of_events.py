from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("events", "0002_history_is_append_only")]

    operations = [
        migrations.AddField("event", "previous_hash", models.BinaryField(db_default=b"", editable=False)),
        migrations.AddField("event", "hash", models.BinaryField(db_default=b"", editable=False)),
        migrations.AddField(
            "event", "seal_number", models.BigIntegerField(editable=False, help_text="Which seal covers it.", null=True)
        ),
        migrations.AddIndex("event", models.Index(fields=["seal_number"], name="event_seal")),
    ]
