from __future__ import annotations

import select
from typing import Any

import psycopg
from django.db.backends.postgresql import base
from psycopg_pool import ConnectionPool


class DatabaseWrapper(base.DatabaseWrapper):
    # The stubs do not know them.
    _connection_pools: dict[str, Any]
    _configure_connection: Any

    @property
    def pool(self) -> Any:
        """Return the pool of this database, made as Django makes it but for the look at each connection."""
        options = self.settings_dict["OPTIONS"].get("pool")
        if isinstance(options, dict) and self.alias not in self._connection_pools and self.settings_dict["NAME"]:
            pool = ConnectionPool(
                kwargs={**self.get_connection_params(), "autocommit": True},
                open=False,
                configure=self._configure_connection,
                check=stands,
                **options,
            )
            # Of threads that come at once the first wins; none is open yet.
            self._connection_pools.setdefault(self.alias, pool)
        return super().pool


def stands(connection: psycopg.Connection[Any]) -> None:
    """Raise psycopg.OperationalError when Postgres has ended the connection.

    An idle one has nothing to say: only when there is something to read must it be asked what.
    """
    looking = select.poll()
    looking.register(connection.fileno(), select.POLLIN)
    if looking.poll(0):
        ConnectionPool.check_connection(connection)
