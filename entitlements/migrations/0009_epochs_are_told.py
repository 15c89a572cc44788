"""Tell the connection that raised a version, so that its transaction can announce it when it has committed."""

from django.db import migrations

TELL = """
-- INFO is always sent to the client, and to no log. Whoever writes, by whatever way, cannot forget it.
CREATE FUNCTION entitlements_tell_epoch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE INFO '%', NEW.version USING DETAIL = NEW.user_id, ERRCODE = 'FB001';
    RETURN NULL;
END $$;
CREATE TRIGGER entitlements_epoch_is_told AFTER INSERT OR UPDATE ON entitlements_epoch
    FOR EACH ROW EXECUTE FUNCTION entitlements_tell_epoch();
"""
KEEP_STILL = """
DROP TRIGGER entitlements_epoch_is_told ON entitlements_epoch;
DROP FUNCTION entitlements_tell_epoch();
"""


class Migration(migrations.Migration):
    dependencies = [("entitlements", "0008_awards_and_features_stay")]

    operations = [migrations.RunSQL(TELL, KEEP_STILL)]
