"""Rules that hold across rows: each is SQL that finds what breaks it. Every app adds its own to this one's."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from django.db import connection

ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Invariant:
    """A name, why it holds, and a query for the rows that break it: one text column, what to call the row.

    The query may ask for `%(first)s`: the least id that a row made in the window can have (ids rise with time).
    """

    name: str
    why: str
    sql: str

    def broken(self, *, since: datetime = ALWAYS, limit: int = 20) -> list[str]:
        """Name the rows that break it, at most `limit`. Only the window of those that ask for one."""
        with connection.cursor() as cursor:
            # The limit stands outside: what the rule says is the same for one row and for twenty.
            cursor.execute(
                f"SELECT broken.* FROM ({self.sql}) AS broken LIMIT %(limit)s",
                {"first": first_id(since), "limit": limit},
            )
            return [str(row[0]) for row in cursor.fetchall()]


def first_id(since: datetime) -> UUID:
    """Return the least UUID of version 7 that can have been made at a moment."""
    return UUID(int=int(since.timestamp() * 1000) << 80)


def recorded(rows: str, kind: str) -> str:
    """Make the query for rows of the window without a line of history. `rows` is SQL with an `id`."""
    return f"""
        SELECT '{kind}:' || made.id FROM ({rows}) AS made
        WHERE made.id >= %(first)s
          AND NOT EXISTS (SELECT FROM events_event WHERE object = '{kind}:' || made.id)
    """


ALL = (
    Invariant(
        "history_has_no_gap",
        "the numbers of a subject's history are 1, 2, 3 ...: a missing one is a row that somebody took out",
        """
        SELECT later.subject || ' #' || (later.sequence - 1) FROM events_event AS later
        WHERE later.id >= %(first)s AND later.sequence > 1 AND NOT EXISTS (
            SELECT FROM events_event AS before
            WHERE before.subject = later.subject AND before.sequence = later.sequence - 1)
        """,
    ),
)
