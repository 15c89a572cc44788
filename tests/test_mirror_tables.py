"""dj-stripe's tables, made the fast way, are those that its migrations make."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections

from billing import mirror_tables

COLUMNS = """
    SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
           pg_get_expr(d.adbin, d.adrelid), a.attcollation
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
         LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE n.nspname = 'public' AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
"""
# The names of indexes and constraints hold a hash of the names that columns once had: what they do is compared.
INDEXES = """
    SELECT tablename, regexp_replace(indexdef, 'INDEX \\S+ ON', 'INDEX ON') FROM pg_indexes WHERE schemaname = 'public'
"""
CONSTRAINTS = """
    SELECT conrelid::regclass::text, contype, condeferrable, condeferred, pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace
"""
RECORDS = "SELECT app, name FROM django_migrations"

Database = Callable[[str], str]


@pytest.fixture
def a_database(django_db_blocker: Any) -> Iterator[Database]:
    """Make empty databases, each known to Django by its name for as long as the test runs."""
    beside = connection.settings_dict["NAME"]
    with django_db_blocker.unblock(), ExitStack() as opened:
        yield lambda name: opened.enter_context(_database(f"{beside}_{name}"))


@pytest.mark.slow
def test_the_fast_way_makes_the_schema_that_the_migrations_make(a_database: Database) -> None:
    fast, real = a_database("mirror_fast"), a_database("mirror_real")

    mirror_tables.create(fast)
    call_command("migrate", "djstripe", database=real, verbosity=0)

    for what in (COLUMNS, INDEXES, CONSTRAINTS, RECORDS):
        assert _rows(fast, what) == _rows(real, what)


def test_a_second_time_makes_nothing_and_migrate_has_nothing_left_to_do(a_database: Database) -> None:
    name = a_database("mirror_twice")

    made = [mirror_tables.create(name), mirror_tables.create(name)]

    assert made == [True, False]
    call_command("migrate", "djstripe", database=name, check_unapplied=True, verbosity=0)


def test_tables_without_their_record_are_refused(a_database: Database) -> None:
    name = a_database("mirror_half")
    mirror_tables.create(name)
    _execute(name, "DELETE FROM django_migrations WHERE app = 'djstripe'")

    with pytest.raises(CommandError, match="62 tables of djstripe are there, but its recorded migrations make 0"):
        call_command("create_mirror_tables", database=name)


def test_a_failure_on_the_way_leaves_nothing(a_database: Database) -> None:
    name = a_database("mirror_failed")
    # A table that stands in the way of one of the last that are made, under a name that is not dj-stripe's own.
    _execute(name, "CREATE VIEW djstripe_webhookeventtrigger AS SELECT 1 AS one")

    with pytest.raises(Exception, match="already exists"):
        mirror_tables.create(name)

    assert not [table for table in connections[name].introspection.table_names() if table.startswith("djstripe")]
    assert not _rows(name, RECORDS + " WHERE app = 'djstripe'")


@contextmanager
def _database(name: str) -> Iterator[str]:
    _execute_beside(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)", f"CREATE DATABASE {name}")
    connections.settings[name] = {**connection.settings_dict, "NAME": name}
    try:
        yield name
    finally:
        connections[name].close()
        connections[name].close_pool()
        del connections[name]
        del connections.settings[name]
        _execute_beside(f"DROP DATABASE {name} WITH (FORCE)")


def _execute_beside(*statements: str) -> None:
    with connection._nodb_cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def _execute(name: str, statement: str) -> None:
    with connections[name].cursor() as cursor:
        cursor.execute(statement)


def _rows(name: str, query: str) -> list[str]:
    with connections[name].cursor() as cursor:
        cursor.execute(query)
        return sorted(map(repr, cursor.fetchall()))
