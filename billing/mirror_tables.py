"""dj-stripe's tables, made in seconds on an empty database.

Its migrations make 63 tables and then remove 518 columns one by one: half a minute of CPU and more, spent on nothing
when no row is there. Here the tables are made as the last migration leaves them, and the migrations are recorded as
applied. For databases on one's own machine and in tests; production runs the migrations themselves. A test compares
the two schemas.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import connections, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Model
from django.db.utils import DEFAULT_DB_ALIAS

APP = "djstripe"
# Any number that nothing else locks.
LOCK = 0x6D6972726F72


class HalfMade(Exception):
    """The tables that are there are not those that the recorded migrations make."""

    def __init__(self, tables: set[str], wanted: set[str]) -> None:
        odd = ", ".join(sorted(tables ^ wanted)[:5])
        super().__init__(
            f"{len(tables)} tables of {APP} are there, but its recorded migrations make {len(wanted)} (such as {odd}). "
            "Start from an empty database, or let `manage.py migrate` go on with this one."
        )


def create(using: str = DEFAULT_DB_ALIAS) -> bool:
    """Make the tables and what they refer to, and say whether this call did it. May be repeated, and killed.

    Raises HalfMade when tables and records of an earlier work do not fit together.
    """
    connection = connections[using]
    _migrate_what_they_refer_to(connection)
    with transaction.atomic(using), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        loader = MigrationLoader(connection)
        recorded = [key for key in loader.applied_migrations if key[0] == APP]
        _refuse_half_made(connection, loader, recorded)
        if not recorded:
            _make(connection, loader)
        return not recorded


def _migrate_what_they_refer_to(connection: Any) -> None:
    executor = MigrationExecutor(connection)
    plan = _plan(executor.loader)
    missing = [key for key in plan if key[0] != APP and key not in executor.loader.applied_migrations]
    if missing:
        executor.recorder.ensure_schema()
        executor.migrate(missing)


def _refuse_half_made(connection: Any, loader: MigrationLoader, recorded: list[tuple[str, str]]) -> None:
    tables = {name for name in connection.introspection.table_names() if name.startswith(f"{APP}_")}
    wanted = {model._meta.db_table for model in _models(loader, recorded, through=True)}
    if tables != wanted:
        raise HalfMade(tables, wanted)


def _make(connection: Any, loader: MigrationLoader) -> None:
    with connection.schema_editor() as editor:
        for model in _models(loader, loader.graph.leaf_nodes(APP)):
            # The foreign keys wait in the editor until every table is there.
            editor.create_model(model)
    recorder = MigrationRecorder(connection)
    for key in sorted(key for key in loader.graph.nodes if key[0] == APP):
        recorder.record_applied(*key)


def _models(loader: MigrationLoader, nodes: list[tuple[str, str]], *, through: bool = False) -> Iterable[type[Model]]:
    """List dj-stripe's models as they are after these migrations."""
    if not nodes:
        return []
    models = loader.project_state(nodes).apps.get_models(include_auto_created=through)
    return [m for m in models if m._meta.app_label == APP and m._meta.managed and not m._meta.proxy]


def _plan(loader: MigrationLoader) -> list[tuple[str, str]]:
    return [key for leaf in loader.graph.leaf_nodes(APP) for key in loader.graph.forwards_plan(leaf)]
