"""How a row of history is hashed: the same as the trigger does it, worked out without the database's help."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db import connection

NOTHING = bytes(32)
MOMENT = 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'
# As text, the way it is hashed: Python's own JSON would write `data` in other letters than jsonb does.
COLUMNS = f"""
    id::text, type, subject, sequence::text, object, actor, request_id, data::text,
    to_char(at AT TIME ZONE 'UTC', '{MOMENT}'), to_char(created_at AT TIME ZONE 'UTC', '{MOMENT}'),
    encode(previous_hash, 'hex'), encode(hash, 'hex'), seal_number
"""
FETCH = 2000


@dataclass(frozen=True, slots=True)
class Row:
    """One event as it is hashed: every part as text. Hashes in hex."""

    id: str
    type: str
    subject: str
    sequence: str
    object: str
    actor: str
    request_id: str
    data: str
    at: str
    created_at: str
    previous_hash: str
    hash: str
    seal_number: int | None

    @property
    def digest(self) -> str:
        """Work out the hash that the row should have, in hex."""
        said = (self.id, self.type, self.subject, self.sequence, self.object, self.actor, self.request_id, self.data)
        return hashlib.sha256(parts("farebox-event-1", *said, self.at, self.created_at, self.previous_hash)).hexdigest()

    def __str__(self) -> str:
        return f"{self.subject} #{self.sequence} {self.type} ({self.id})"


def parts(*texts: str) -> bytes:
    """Join texts so that no two lists of them look alike: each with the count of its bytes."""
    encoded = (text.encode() for text in texts)
    return b"".join(b"%d:%b" % (len(part), part) for part in encoded)


def moment(at: datetime) -> str:
    """Write a time as it is hashed."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def rows(where: str = "TRUE", values: tuple[str | int | datetime, ...] = ()) -> Iterator[Row]:
    """Read events in the order of their subjects' chains, some thousand at a time. `where` is SQL of ours.

    Inside a transaction only: the rows come by a cursor of the server.
    """
    with connection.chunked_cursor() as cursor:
        # Named by their table: what is shown as text must not be sorted as text.
        order = 'events_event.subject COLLATE "C", events_event.sequence'
        cursor.execute(f"SELECT {COLUMNS} FROM events_event WHERE {where} ORDER BY {order}", values)  # noqa: S608 (ours)
        while found := cursor.fetchmany(FETCH):
            for row in found:
                yield Row(*row)
