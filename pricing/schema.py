"""Steps for migrations that Django has no words for."""

from __future__ import annotations

from django.db.migrations.operations import RunSQL

_POINT_AT_PLAN = """
DO $$
DECLARE c record;
BEGIN
    FOR c IN
        SELECT con.conname AS name, att.attname AS field
        FROM pg_constraint con JOIN pg_attribute att ON att.attrelid = con.conrelid AND att.attnum = con.conkey[1]
        WHERE con.contype = 'f' AND con.conrelid = '{table}'::regclass AND con.confrelid = 'pricing_plan'::regclass
    LOOP
        EXECUTE format('ALTER TABLE {table} DROP CONSTRAINT %I, ADD CONSTRAINT %I FOREIGN KEY (%I)'
            ' REFERENCES pricing_plan (id) {follow} DEFERRABLE INITIALLY DEFERRED', c.name, c.name, c.field);
    END LOOP;
END $$;
"""


def follow_plan_id(table: str) -> RunSQL:
    """Let every reference of `table` to a plan follow a change of the plan's id (requirements.md, PL-09).

    Django makes foreign keys at the end of a migration, so this belongs in the migration after the one that made them.
    """
    return RunSQL(
        _POINT_AT_PLAN.format(table=table, follow="ON UPDATE CASCADE"),
        _POINT_AT_PLAN.format(table=table, follow=""),
    )
