from django.db import migrations, models

from events.moves import frozen

# What may change in a row of history: when it was published, and by which seal it is covered, and that once.
BOOKKEEPING = """
CREATE OR REPLACE FUNCTION events_event_frozen() RETURNS trigger LANGUAGE plpgsql
    SET search_path = public, pg_temp
    AS $$
    DECLARE
        bookkeeping CONSTANT text[] := ARRAY['seal_number', 'published_at'];
    BEGIN
        IF TG_OP = 'UPDATE' AND (OLD.seal_number IS NULL OR NEW.seal_number IS NOT DISTINCT FROM OLD.seal_number)
            AND (to_jsonb(NEW) - bookkeeping)::text = (to_jsonb(OLD) - bookkeeping)::text THEN
            RETURN NEW;
        END IF;
        RAISE EXCEPTION 'events_event: history is only ever appended to' USING ERRCODE = 'restrict_violation';
    END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("events", "0004_events_are_chained")]

    operations = [
        migrations.CreateModel(
            name="Seal",
            fields=[
                (
                    "number",
                    models.BigIntegerField(help_text="1, 2, 3 ... without gaps.", primary_key=True, serialize=False),
                ),
                ("at", models.DateTimeField()),
                ("leaves", models.BinaryField()),
                ("previous_hash", models.BinaryField(help_text="The hash of the seal before it.")),
                (
                    "key",
                    models.CharField(help_text="The public key (Ed25519, hex) that verifies it.", max_length=64),
                ),
                ("signature", models.BinaryField()),
            ],
        ),
        migrations.CreateModel(
            name="Salt",
            fields=[
                ("subject", models.CharField(max_length=300, primary_key=True, serialize=False)),
                ("salt", models.BinaryField()),
            ],
        ),
        migrations.RunSQL(BOOKKEEPING, migrations.RunSQL.noop),
        frozen("events_seal", because="what was sealed stays sealed"),
    ]
