"""Make the tables, seed the catalog, make the first admin: run as a process of its own, with Farebox's settings.

Each step is repeatable, so a killed run is mended by the next. One process, for a start of Django costs a second.
On its standard output it says one JSON line a step; what the commands say goes to standard error.
"""

from __future__ import annotations

import io
import json
import os
import secrets
import sys
import time
from collections.abc import Callable
from urllib.parse import unquote, urlsplit

import django
import psycopg
from django.core.management import call_command
from psycopg import sql

ADMIN = "admin"


def main() -> None:
    """Run every step in order; a failing one ends the process with its traceback."""
    began = time.monotonic()
    # Commands and logs write to standard output too: it is theirs from here on, and goes where errors go.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    django.setup()
    steps: dict[str, Callable[[], str]] = {
        "database": make_database,
        "tables": make_tables,
        "catalog": seed,
        "admin": make_admin,
        "identity": identity,
    }
    for name, step in steps.items():
        says, ended = step(), time.monotonic()
        print(json.dumps({"step": name, "says": says, "seconds": ended - began}), file=answers, flush=True)
        began = ended


def make_database() -> str:
    """Create the database when the server has none of that name."""
    from django.db import connection

    # Not through Django's pool, which would try for ten seconds and then hide why.
    asked = connection.get_connection_params()
    name = str(asked["dbname"])
    try:
        psycopg.connect(**asked).close()
        return name
    except psycopg.OperationalError as reason:
        refusal = str(reason)
    try:
        with psycopg.connect(**asked | {"dbname": "postgres"}, autocommit=True) as server:
            server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    except psycopg.Error:
        sys.exit(f"Postgres does not let us in: {refusal}")
    return f"{name}, new"


def identity() -> str:
    """Tell this database from every other, also from one of the same name on the same address before it."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT system_identifier, oid FROM pg_control_system(), pg_database WHERE datname = current_database()"
        )
        return "-".join(map(str, cursor.fetchone() or ()))


def make_tables() -> str:
    """Migrate; on the embedded server dj-stripe's tables take the fast way."""
    if "--embedded" in sys.argv:
        call_command("create_mirror_tables")
    call_command("migrate", interactive=False)
    application = urlsplit(os.environ.get("APPLICATION_URL", ""))
    if not application.username:
        return "all migrations applied"
    role = unquote(application.username)
    os.environ["APPLICATION_PASSWORD"] = unquote(application.password or "")
    call_command("grant_application_role", role=role, password_from="APPLICATION_PASSWORD")  # noqa: S106 (a name)
    return f"all migrations applied; {role} cannot undo history"


def seed() -> str:
    """Bring zones and plans to what the catalog says."""
    call_command("seed_zones")
    call_command("seed_plans")
    return "zones and plans as in the catalog"


def make_admin() -> str:
    """Make a first admin; the password and the code to enrol an authenticator with are said this once."""
    from django.contrib.auth.models import User

    users = User.objects
    if users.filter(is_superuser=True).exists():
        # A lost enrolment code is issued anew by `enrolment_code`, a lost authenticator by `forget_second_factor`.
        return f"there already (new password: .venv/bin/python manage.py changepassword {ADMIN})"
    password = secrets.token_urlsafe(15)
    users.create_superuser(ADMIN, "admin@localhost", password)
    code = io.StringIO()
    call_command("enrolment_code", user=ADMIN, why="the first admin", stdout=code)
    return f"user {ADMIN}, password {password}, enrolment code {code.getvalue().strip()}  (shown this once)"


if __name__ == "__main__":
    main()
