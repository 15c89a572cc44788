"""The role that Farebox works as cannot undo history, also when all our code is passed by (AU-01)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from psycopg import errors, sql

from events import roles, sealing
from tests.events.story import verify, write

PASSWORD = "only-in-tests"
INSERT = """
    INSERT INTO events_event (id, type, subject, sequence, object, actor, request_id, data, at)
    VALUES (gen_random_uuid(), 'x', 'user:anna', %s, 'x:1', 'mallory', '', '{}', now())
"""
DENIED = [
    "UPDATE events_event SET type = 'other'",
    "UPDATE events_event SET hash = ''",
    "UPDATE events_event SET created_at = now()",
    "DELETE FROM events_event",
    "TRUNCATE events_event",
    "TRUNCATE events_event CASCADE",
    "INSERT INTO events_event SELECT * FROM events_event ON CONFLICT (id) DO UPDATE SET type = 'other'",
    "MERGE INTO events_event e USING events_event o ON e.id = o.id WHEN MATCHED THEN DELETE",
    "ALTER TABLE events_event DISABLE TRIGGER ALL",
    "ALTER TABLE events_event RENAME TO gone",
    "ALTER TABLE events_event OWNER TO CURRENT_USER",
    "DROP TABLE events_event",
    "DROP TRIGGER events_event_chain ON events_event",
    "CREATE TRIGGER x BEFORE INSERT ON events_event FOR EACH ROW EXECUTE FUNCTION events_event_chain()",
    "CREATE RULE x AS ON INSERT TO events_event DO INSTEAD NOTHING",
    "CREATE OR REPLACE FUNCTION events_part(value text) RETURNS bytea LANGUAGE sql AS $$ SELECT ''::bytea $$",
    "CREATE FUNCTION public.anything() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$",
    "SET session_replication_role = replica",
    "UPDATE events_seal SET leaves = ''",
    "DELETE FROM events_seal",
    "TRUNCATE events_seal",
    "DELETE FROM django_migrations",
]


@pytest.fixture(scope="module")
def role(django_db_setup: None, django_db_blocker: Any) -> Iterator[str]:
    """Make the application's role as its command does; roles are the whole server's, so its name is this database's."""
    name = f"app of {connection.settings_dict['NAME']}"
    with django_db_blocker.unblock():
        roles.grant(name, password=PASSWORD)
        yield name
        with connection.cursor() as cursor:
            for statement in ("DROP OWNED BY {}", "DROP ROLE {}"):
                cursor.execute(sql.SQL(statement).format(sql.Identifier(name)))


@pytest.fixture
def as_role(books: None, role: str) -> Iterator[psycopg.Connection[Any]]:
    """Connect as the application's role: a session of its own, not a SET ROLE that could be reset."""
    server = connection.settings_dict
    with psycopg.connect(
        host=server["HOST"], port=server["PORT"], dbname=server["NAME"], user=role, password=PASSWORD, autocommit=True
    ) as opened:
        assert opened.execute("SELECT session_user").fetchone() == (role,)
        yield opened


@pytest.mark.parametrize("statement", DENIED)
def test_history_cannot_be_undone_by_the_application(as_role: psycopg.Connection[Any], statement: str) -> None:
    write()
    sealing_before = verify()

    with pytest.raises(errors.InsufficientPrivilege):
        as_role.execute(statement)  # type: ignore[call-overload]

    assert verify() == sealing_before == ""


def test_history_can_be_appended_to_read_and_sealed(as_role: psycopg.Connection[Any]) -> None:
    as_role.execute(INSERT, [1])
    as_role.execute(INSERT, [2])

    sealed = as_role.execute("UPDATE events_event SET seal_number = 1 WHERE seal_number IS NULL").rowcount

    assert sealed == 2
    assert as_role.execute("SELECT count(*) FROM events_event").fetchone() == (2,)


def test_a_seal_once_set_cannot_be_taken_off(as_role: psycopg.Connection[Any], seals: Any) -> None:
    write()
    sealing.seal_all()

    with pytest.raises(errors.RestrictViolation):
        as_role.execute("UPDATE events_event SET seal_number = NULL")

    assert verify() == ""


def test_the_application_cannot_grant_itself_more(as_role: psycopg.Connection[Any], role: str) -> None:
    as_role.execute("GRANT DELETE ON events_event TO CURRENT_USER")

    assert roles.able_to_change(role) == []


def test_a_gap_cannot_be_inserted(as_role: psycopg.Connection[Any]) -> None:
    with pytest.raises(errors.CheckViolation, match="goes on with number 1"):
        as_role.execute(INSERT, [2])


def test_the_rest_is_worked_with_as_before(as_role: psycopg.Connection[Any]) -> None:
    tables = [
        "billing_customer", "billing_webhookevent", "entitlements_entitlement", "pricing_zone", "auth_user",
        "django_session", "djstripe_customer", "events_salt",
    ]  # fmt: skip

    for table in tables:
        for statement in ("SELECT FROM {} LIMIT 0", "DELETE FROM {} WHERE FALSE", "SELECT FROM {} FOR UPDATE"):
            as_role.execute(sql.SQL(statement).format(sql.Identifier(table)))
    as_role.execute("UPDATE pricing_zone SET name = name")


def test_a_table_of_a_later_migration_is_reached_without_a_new_grant(as_role: psycopg.Connection[Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE later (id bigserial PRIMARY KEY)")
    try:
        as_role.execute("INSERT INTO later DEFAULT VALUES")
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE later")


def test_granting_may_be_repeated(role: str, books: None) -> None:
    call_command("grant_application_role", role=role)

    assert roles.able_to_change(role) == []


def test_a_role_that_could_undo_history_anyway_is_refused(books: None) -> None:
    owner = connection.settings_dict["USER"]

    with pytest.raises(CommandError, match="may still"):
        call_command("grant_application_role", role=owner)


def test_a_password_that_is_not_there_is_asked_for(books: None) -> None:
    with pytest.raises(CommandError, match="NO_SUCH_NAME is not set"):
        call_command("grant_application_role", role="x", password_from="NO_SUCH_NAME")
