"""Does history prove itself? Every row against its hash, its chain and its seal; every seal against its signature."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from events import keys, sealing, witness
from events.chain import NOTHING, Row, rows
from events.models import Event, Seal
from events.sealing import Statement


@dataclass(frozen=True, slots=True)
class Scope:
    """What is looked at: all, one subject, or what was written since a time."""

    subject: str | None = None
    since: datetime | None = None

    @property
    def where(self) -> tuple[str, tuple[str | int | datetime, ...]]:
        """Return the SQL that finds its rows."""
        asked = {"subject = %s": self.subject, "created_at >= %s": self.since}
        given = {sql: value for sql, value in asked.items() if value is not None}
        return " AND ".join(given) or "TRUE", tuple(given.values())

    def count(self) -> int:
        """Count its rows."""
        where, values = self.where
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM events_event WHERE {where}", values)  # noqa: S608 (SQL of ours)
            return int(cursor.fetchone()[0])


def chains(scope: Scope) -> Generator[tuple[Row, str], None, None]:
    """Walk the rows in the order of their chains; with each say what is wrong with it, or nothing."""
    where, values = scope.where
    before: Row | None = None
    for row in rows(where, values):
        if before is not None and before.subject != row.subject:
            before = None
        if scope.since and (before is None or int(before.sequence) != int(row.sequence) - 1):
            before = _before(row)
        yield row, _wrong(row, before)
        before = row


def _wrong(row: Row, before: Row | None) -> str:
    if row.digest != row.hash:
        return "it was altered: its hash is not that of its content"
    if int(row.sequence) != (int(before.sequence) if before else 0) + 1:
        return f"the row before it is missing: #{int(row.sequence) - 1}"
    if row.previous_hash != (before.hash if before else NOTHING.hex()):
        return "it was altered, or the row before it: it holds on to another hash"
    return ""


def _before(row: Row) -> Row | None:
    """Find what stands before the first row of a scope."""
    where = "subject = %s AND sequence = %s"
    return next(rows(where, (row.subject, int(row.sequence) - 1)), None)


def seals(scope: Scope) -> Iterator[str]:
    """Say what is wrong with the seals, and with what they cover, in their order."""
    trusted = keys.trusted()
    first = _first_seal(scope)
    earlier = next(sealing.statements(after=first - 2), None) if first > 1 else None
    last = earlier
    for said in sealing.statements(after=first - 1):
        yield from _wrong_with_seal(said, last, trusted)
        yield from _wrong_with_covered(said)
        last = said
    beyond = Event.objects.filter(seal_number__gt=last.number if last else 0).order_by("seal_number", "id").first()
    if beyond:
        yield f"{beyond} ({beyond.pk}): seal {beyond.seal_number} is missing"
    yield from witness.differences()


def unsealed() -> int:
    """Count the events that no seal covers yet: they are the last minutes', or sealing stands still."""
    return Event.objects.filter(seal_number=None).count()


def last_seal() -> int:
    """Return the number of the newest seal."""
    return sealing.last_number()


def _wrong_with_seal(said: Statement, last: Statement | None, trusted: frozenset[str]) -> Iterator[str]:
    if said.number != (last.number if last else 0) + 1:
        yield f"seal {said.number - 1} is missing"
    elif said.previous_hash != (last.hash if last else NOTHING):
        yield f"seal {said.number} holds on to another seal than that before it"
    if not said.is_signed_by(trusted):
        yield f"seal {said.number} is not signed by a key that is believed ({said.key})"


def _wrong_with_covered(said: Statement) -> Iterator[str]:
    """Compare what a seal covers with the rows that are there, and name the first that differs."""
    there = [(event.pk, bytes(event.hash)) for event in _covered(said.number)]
    if [hash for _, hash in there] == said.hashes:
        return
    sealed, found = Counter(said.hashes), Counter(hash for _, hash in there)
    for pk, hash in there:
        if hash not in sealed:
            event = Event.objects.get(pk=pk)
            yield f"{event} ({pk}): it was altered after seal {said.number}"
            return
    gone = next(iter(sealed - found), b"")
    if moved := Event.objects.filter(hash=gone).first():
        yield f"{moved} ({moved.pk}): it was taken out of seal {said.number}"
        return
    yield f"seal {said.number} of {said.at} covers {said.count} events, {len(there)} are there; missing: {gone.hex()}"


def _covered(number: int) -> Iterator[Event]:
    return iter(Event.objects.filter(seal_number=number).only("id", "hash").order_by("id"))


def _first_seal(scope: Scope) -> int:
    """Find the first seal that concerns a scope. One subject's are not fewer: any may miss its last row."""
    if scope.since is None:
        return 1
    since = Seal.objects.filter(at__gte=scope.since).order_by("number").first()
    return since.number if since else (sealing.last_number() + 1)
