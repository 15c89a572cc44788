"""Refuse every change of a version that has been sold, and of what it includes."""

from django.db import migrations

from events.moves import frozen

# A change of the plan's id follows into the version by ON UPDATE CASCADE: then the old plan is gone.
SOLD = """OLD.sold_at IS NOT NULL AND (
    TG_OP = 'DELETE'
    OR (to_jsonb(NEW) - 'plan_id') IS DISTINCT FROM (to_jsonb(OLD) - 'plan_id')
    OR (NEW.plan_id <> OLD.plan_id AND EXISTS (SELECT FROM pricing_plan WHERE id = OLD.plan_id))
)"""

# FOR SHARE waits for a sale under way: it holds the version's row until it commits.
INCLUDED = """
CREATE OR REPLACE FUNCTION pricing_planfeature_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE sold timestamptz;
BEGIN
    FOR sold IN
        SELECT v.sold_at FROM pricing_planversion v
        WHERE v.id IN (
            CASE WHEN TG_OP <> 'INSERT' THEN OLD.version_id END,
            CASE WHEN TG_OP <> 'DELETE' THEN NEW.version_id END
        ) FOR SHARE
    LOOP
        IF sold IS NOT NULL THEN
            RAISE EXCEPTION 'pricing_planfeature: what a sold version includes never changes'
                USING ERRCODE = 'restrict_violation';
        END IF;
    END LOOP;
    IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER pricing_planfeature_frozen BEFORE INSERT OR UPDATE OR DELETE ON pricing_planfeature
    FOR EACH ROW EXECUTE FUNCTION pricing_planfeature_frozen();
"""
THAWED = """
DROP TRIGGER IF EXISTS pricing_planfeature_frozen ON pricing_planfeature;
DROP FUNCTION IF EXISTS pricing_planfeature_frozen();
"""


class Migration(migrations.Migration):
    dependencies = [("pricing", "0002_plan_id_cascades")]

    operations = [
        frozen("pricing_planversion", when=SOLD, because="a sold version never changes"),
        migrations.RunSQL(INCLUDED, THAWED),
    ]
