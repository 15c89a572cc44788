"""Raise the version of a user's set with every change of it, in the transaction of the change."""

from django.db import migrations

RISE = """
CREATE SEQUENCE entitlements_epoch_version;

-- The version is drawn when the user's row is locked, so that versions rise in the order of the commits.
CREATE FUNCTION entitlements_raise(who text) RETURNS void LANGUAGE sql AS $$
    INSERT INTO entitlements_epoch AS epoch (user_id, version) VALUES (who, nextval('entitlements_epoch_version'))
    ON CONFLICT (user_id) DO UPDATE SET version = nextval('entitlements_epoch_version');
$$;

CREATE FUNCTION entitlements_raise_family(which text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE member text;
BEGIN
    IF which IS NULL THEN RETURN; END IF;
    FOR member IN
        SELECT user_id FROM entitlements_familymember
        WHERE family_id = which::uuid AND status = 'active' ORDER BY user_id
    LOOP
        PERFORM entitlements_raise(member);
    END LOOP;
END $$;

CREATE FUNCTION entitlements_entitlement_rises() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        PERFORM entitlements_raise(OLD.user_id), entitlements_raise_family(OLD.family_id);
    END IF;
    IF TG_OP = 'INSERT' OR TG_OP = 'UPDATE' AND (NEW.user_id, NEW.family_id) IS DISTINCT FROM (OLD.user_id, OLD.family_id)
    THEN
        PERFORM entitlements_raise(NEW.user_id), entitlements_raise_family(NEW.family_id);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER entitlements_entitlement_rises AFTER INSERT OR UPDATE OR DELETE ON entitlements_entitlement
    FOR EACH ROW EXECUTE FUNCTION entitlements_entitlement_rises();

CREATE FUNCTION entitlements_person_rises() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' AND OLD.user_id <> '' THEN PERFORM entitlements_raise(OLD.user_id); END IF;
    IF TG_OP <> 'DELETE' AND NEW.user_id <> '' AND (TG_OP = 'INSERT' OR NEW.user_id <> OLD.user_id) THEN
        PERFORM entitlements_raise(NEW.user_id);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER entitlements_override_rises AFTER INSERT OR UPDATE OR DELETE ON entitlements_override
    FOR EACH ROW EXECUTE FUNCTION entitlements_person_rises();
CREATE TRIGGER entitlements_familymember_rises AFTER INSERT OR UPDATE OR DELETE ON entitlements_familymember
    FOR EACH ROW EXECUTE FUNCTION entitlements_person_rises();

CREATE FUNCTION entitlements_feature_rises() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM entitlements_raise('');
    RETURN NULL;
END $$;
CREATE TRIGGER entitlements_feature_rises AFTER INSERT OR UPDATE OR DELETE ON pricing_feature
    FOR EACH STATEMENT EXECUTE FUNCTION entitlements_feature_rises();
"""
FALL = """
DROP TRIGGER entitlements_feature_rises ON pricing_feature;
DROP TRIGGER entitlements_familymember_rises ON entitlements_familymember;
DROP TRIGGER entitlements_override_rises ON entitlements_override;
DROP TRIGGER entitlements_entitlement_rises ON entitlements_entitlement;
DROP FUNCTION entitlements_feature_rises();
DROP FUNCTION entitlements_person_rises();
DROP FUNCTION entitlements_entitlement_rises();
DROP FUNCTION entitlements_raise_family(text);
DROP FUNCTION entitlements_raise(text);
DROP SEQUENCE entitlements_epoch_version;
"""


class Migration(migrations.Migration):
    dependencies = [("entitlements", "0005_moves_and_facts_guarded")]

    operations = [migrations.RunSQL(RISE, FALL)]
