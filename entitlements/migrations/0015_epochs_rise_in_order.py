"""Raise versions once a statement, in the order of the users: two statements that touch the same never wait in a circle."""

from django.db import migrations

TABLES = {"entitlement": True, "override": False, "familymember": False}
RISE = """
CREATE FUNCTION entitlements_raise_all(users text[], families text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE who text;
BEGIN
    FOR who IN
        SELECT each FROM unnest(users) AS each
        UNION SELECT user_id FROM entitlements_familymember WHERE family_id = ANY(families::uuid[]) AND status = 'active'
        ORDER BY 1
    LOOP
        IF who <> '' THEN PERFORM entitlements_raise(who); END IF;
    END LOOP;
END $$;
"""
# A row that goes to another user or family is missed by those whom it leaves, so the old rows count too.
ROWS = {
    "INSERT": ("REFERENCING NEW TABLE AS new_rows", "SELECT * FROM new_rows"),
    "UPDATE": (
        "REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows",
        "SELECT * FROM old_rows UNION ALL SELECT * FROM new_rows",
    ),
    "DELETE": ("REFERENCING OLD TABLE AS old_rows", "SELECT * FROM old_rows"),
}
TRIGGER = """
CREATE FUNCTION entitlements_{table}_{verb}_rises() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM entitlements_raise_all(array_agg(DISTINCT user_id), {families}) FROM ({rows}) AS touched;
    RETURN NULL;
END $$;
CREATE TRIGGER entitlements_{table}_{verb}_rises AFTER {verb} ON entitlements_{table}
    {tables} FOR EACH STATEMENT EXECUTE FUNCTION entitlements_{table}_{verb}_rises();
"""
AWAY = """
DROP TRIGGER entitlements_{table}_{verb}_rises ON entitlements_{table};
DROP FUNCTION entitlements_{table}_{verb}_rises();
"""
BY_ROW = """
CREATE TRIGGER entitlements_{table}_rises AFTER INSERT OR UPDATE OR DELETE ON entitlements_{table}
    FOR EACH ROW EXECUTE FUNCTION entitlements_{function}_rises();
"""


def by_statement() -> str:
    """Write the triggers, one for each table and verb: Postgres names rows of one verb at a time."""
    made = [RISE]
    for table, shared in TABLES.items():
        made.append(f"DROP TRIGGER entitlements_{table}_rises ON entitlements_{table};")
        families = "array_agg(DISTINCT family_id) FILTER (WHERE family_id IS NOT NULL)" if shared else "NULL"
        for verb, (tables, rows) in ROWS.items():
            made.append(TRIGGER.format(table=table, verb=verb, families=families, tables=tables, rows=rows))
    return "".join(made)


def by_row() -> str:
    """Write the triggers as they were."""
    made = []
    for table, shared in TABLES.items():
        made += [AWAY.format(table=table, verb=verb) for verb in ROWS]
        made.append(BY_ROW.format(table=table, function="entitlement" if shared else "person"))
    return "".join([*made, "DROP FUNCTION entitlements_raise_all(text[], text[]);"])


class Migration(migrations.Migration):
    dependencies = [("entitlements", "0014_roll_on")]

    operations = [migrations.RunSQL(by_statement(), by_row())]
