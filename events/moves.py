"""A status changes only along its table of moves: in Python here, in the database by a trigger made from it."""

from __future__ import annotations

from collections.abc import Mapping, Set
from datetime import datetime
from typing import ClassVar

from django.db import models
from django.db.migrations.operations import RunSQL

Table = Mapping[str, Set[str]]


class Moving(models.Model):
    """A row with a status. `NEXT` says which status may follow which."""

    NEXT: ClassVar[Table]

    status = models.CharField(max_length=32)
    status_at = models.DateTimeField()

    class Meta:
        abstract = True

    def move_to(self, status: str, *, at: datetime) -> bool:
        """Change the status, and say whether this call did it.

        Two workers may try the same move; the WHERE clause lets one through.
        """
        if status not in self.NEXT[self.status]:
            return False
        moved = type(self)._base_manager.filter(pk=self.pk, status=self.status).update(status=status, status_at=at)
        if moved:
            self.status, self.status_at = status, at
        return bool(moved)


def guard(table: str, moves: Table) -> RunSQL:
    """Make the migration step that refuses every other change of `status` in `table`, from psql and `update()` too."""
    pairs = ", ".join(f"('{old}', '{new}')" for old in sorted(moves) for new in sorted(moves[old]))
    statuses = ", ".join(f"'{status}'" for status in sorted(moves))
    return RunSQL(
        f"""
        CREATE OR REPLACE FUNCTION {table}_moves() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.status NOT IN ({statuses}) THEN
                RAISE EXCEPTION '{table}: no such status %', NEW.status USING ERRCODE = 'check_violation';
            ELSIF TG_OP = 'UPDATE' AND NEW.status <> OLD.status AND (OLD.status, NEW.status) NOT IN ({pairs}) THEN
                RAISE EXCEPTION '{table}: % cannot become %', OLD.status, NEW.status
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        END $$;
        CREATE OR REPLACE TRIGGER {table}_moves BEFORE INSERT OR UPDATE OF status ON {table}
            FOR EACH ROW EXECUTE FUNCTION {table}_moves();
        """,
        f"DROP TRIGGER IF EXISTS {table}_moves ON {table}; DROP FUNCTION IF EXISTS {table}_moves();",
    )


def frozen(table: str, *, when: str = "TRUE", because: str) -> RunSQL:
    """Make the migration step that refuses UPDATE and DELETE of rows for which `when` (SQL over OLD) holds."""
    return RunSQL(
        f"""
        CREATE OR REPLACE FUNCTION {table}_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF {when} THEN
                RAISE EXCEPTION '{table}: {because}' USING ERRCODE = 'restrict_violation';
            END IF;
            IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
            RETURN NEW;
        END $$;
        CREATE OR REPLACE TRIGGER {table}_frozen BEFORE UPDATE OR DELETE ON {table}
            FOR EACH ROW EXECUTE FUNCTION {table}_frozen();
        """,
        f"DROP TRIGGER IF EXISTS {table}_frozen ON {table}; DROP FUNCTION IF EXISTS {table}_frozen();",
    )
