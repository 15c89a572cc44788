"""Ask once a statement, and not once a row, whether the features of the uses that it writes are there."""

import django.db.models.deletion
from django.db import migrations, models

# Whatever was used stays in the catalog: the counter that paid holds it by its foreign key.
THERE = """
CREATE FUNCTION entitlements_usageevent_features() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE missing text;
BEGIN
    SELECT feature_code INTO missing FROM new_rows
    WHERE NOT EXISTS (SELECT FROM pricing_feature WHERE code = feature_code) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'entitlements_usageevent: there is no feature %', missing USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER entitlements_usageevent_features AFTER INSERT ON entitlements_usageevent
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION entitlements_usageevent_features();
"""
AWAY = """
DROP TRIGGER entitlements_usageevent_features ON entitlements_usageevent;
DROP FUNCTION entitlements_usageevent_features();
"""


class Migration(migrations.Migration):
    dependencies = [("entitlements", "0017_draw_many_is_gone"), ("pricing", "0008_meters_and_values")]

    operations = [
        migrations.RunSQL(THERE, AWAY),
        migrations.AlterField(
            model_name="usageevent",
            name="feature",
            field=models.ForeignKey(
                db_column="feature_code",
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="pricing.feature",
            ),
        ),
    ]
