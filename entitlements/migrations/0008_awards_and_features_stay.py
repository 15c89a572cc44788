"""Refuse changes of a decision that was made, and of what a feature is once somebody had or bought it."""

from django.db import migrations

from events.moves import frozen

# FOR UPDATE waits for grants under way, which hold the feature by their foreign key, and lets later ones wait.
STAY = """
CREATE FUNCTION pricing_feature_stays() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE kept jsonb;
BEGIN
    SELECT coalesce(jsonb_agg(choice ORDER BY place), '[]') INTO kept
    FROM jsonb_array_elements(NEW.choices) WITH ORDINALITY AS said (choice, place)
    WHERE OLD.choices @> jsonb_build_array(choice);
    IF (NEW.kind, NEW.merge, NEW.consumable, NEW.value_type) = (OLD.kind, OLD.merge, OLD.consumable, OLD.value_type)
        AND kept = OLD.choices
    THEN
        RETURN NEW;
    END IF;
    PERFORM FROM pricing_feature WHERE code = OLD.code FOR UPDATE;
    IF EXISTS (SELECT FROM entitlements_entitlement WHERE feature_code = OLD.code)
        OR EXISTS (SELECT FROM entitlements_override WHERE feature_code = OLD.code)
        OR EXISTS (
            SELECT FROM pricing_planfeature AS included JOIN pricing_planversion AS version ON version.id = version_id
            WHERE included.feature_id = OLD.code AND version.sold_at IS NOT NULL
        )
    THEN
        RAISE EXCEPTION 'pricing_feature: what % is stays, because it was sold or granted', OLD.code
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER pricing_feature_stays BEFORE UPDATE ON pricing_feature
    FOR EACH ROW EXECUTE FUNCTION pricing_feature_stays();
"""
GO = """
DROP TRIGGER pricing_feature_stays ON pricing_feature;
DROP FUNCTION pricing_feature_stays();
"""
# Checked at once, the foreign key holds the feature from the insert on, and not only at the commit.
CHECK = """
DO $$
DECLARE rule record;
BEGIN
    FOR rule IN
        SELECT conrelid::regclass AS holder, conname FROM pg_constraint
        WHERE contype = 'f' AND confrelid = 'pricing_feature'::regclass
          AND conrelid IN ('entitlements_entitlement'::regclass, 'entitlements_override'::regclass)
    LOOP
        EXECUTE format('ALTER TABLE %%s ALTER CONSTRAINT %%I %s', rule.holder, rule.conname);
    END LOOP;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("entitlements", "0007_awards"), ("pricing", "0008_meters_and_values")]

    operations = [
        frozen("entitlements_award", because="a decision that was made is a fact"),
        migrations.RunSQL(STAY, GO),
        migrations.RunSQL(CHECK % "NOT DEFERRABLE", CHECK % "DEFERRABLE INITIALLY DEFERRED"),
    ]
