"""The database role that Farebox works as: it may do everything with its rows, but not undo history.

Run by the owner of the tables. Even who has taken over every process of ours cannot UPDATE, DELETE or TRUNCATE what
has happened, switch its triggers off or replace their functions: all of that takes the owner.
"""

from __future__ import annotations

from django.db import connection, transaction
from psycopg import sql

from events.models import Event, Seal

READ_ONLY = ("django_migrations",)
# Kept by the triggers of these tables too; a row of ours may say when it was published and by what it was sealed.
APPENDED = (Event._meta.db_table, Seal._meta.db_table)
BOOKKEEPING = ("seal_number", "published_at")
SCHEMA = "public"
CHANGES = ("UPDATE", "DELETE", "TRUNCATE")


class RoleTooStrong(Exception):
    """The role could change history whatever is granted or not."""


@transaction.atomic
def grant(role: str, *, password: str | None = None) -> None:
    """Let a role work as Farebox, and make it if there is none. May be repeated: after each `migrate`.

    With a password it may log in. Raises RoleTooStrong for a superuser, an owner, or a member of one.
    """
    if not _exists(role):
        _run("CREATE ROLE {role} LOGIN NOINHERIT", role)
    if password is not None:
        _run("ALTER ROLE {role} LOGIN PASSWORD {password}", role, password=sql.Literal(password))
    for statement in (
        "REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC",
        "GRANT USAGE ON SCHEMA {schema} TO {role}",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}",
        "GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {schema} TO {role}",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {role}",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT USAGE, SELECT ON SEQUENCES TO {role}",
    ):
        _run(statement, role)
    for table in APPENDED:
        _run("REVOKE UPDATE, DELETE, TRUNCATE, TRIGGER, REFERENCES ON {table} FROM {role}", role, table=_name(table))
    for table in READ_ONLY:
        _run("REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON {table} FROM {role}", role, table=_name(table))
    columns = sql.SQL(", ").join(map(sql.Identifier, _bookkeeping()))
    _run("GRANT UPDATE ({columns}) ON {table} TO {role}", role, table=_name(Event._meta.db_table), columns=columns)
    if able := able_to_change(role):
        raise RoleTooStrong(f"{role} may still {', '.join(able)}: name a role that owns nothing and is in no group.")


def able_to_change(role: str) -> list[str]:
    """List how a role could change history, such as `DELETE events_event`; nothing is as it should be."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT change || ' ' || name FROM unnest(%s::text[]) name, unnest(%s::text[]) change"
            " WHERE has_table_privilege(%s, format('%%I.%%I', %s::text, name), change)",
            [list(APPENDED), list(CHANGES), role, SCHEMA],
        )
        able = [row[0] for row in cursor.fetchall()]
        cursor.execute(
            "SELECT 'become ' || rolname FROM pg_roles WHERE rolname <> %s AND pg_has_role(%s, oid, 'MEMBER')"
            " AND (rolsuper OR oid IN (SELECT relowner FROM pg_class WHERE relname = ANY(%s)))"
            " UNION ALL SELECT 'do all that a superuser may' FROM pg_roles WHERE rolname = %s AND rolsuper",
            [role, role, list(APPENDED), role],
        )
        return able + [row[0] for row in cursor.fetchall()]


def _bookkeeping() -> list[str]:
    columns = {field.column for field in Event._meta.get_fields() if hasattr(field, "column")}
    return [name for name in BOOKKEEPING if name in columns]


def _exists(role: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role])
        return cursor.fetchone() is not None


def _name(table: str) -> sql.Composable:
    return sql.Identifier(SCHEMA, table)


def _run(statement: str, role: str, **parts: sql.Composable) -> None:
    named = {"role": sql.Identifier(role), "schema": sql.Identifier(SCHEMA), **parts}
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL(statement).format(**named))
