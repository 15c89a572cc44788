"""Many uses in one statement: what fits as a sum is drawn for all, the rest is left to be drawn one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from entitlements import draws
from entitlements.draws import Draw

STATEMENT = """
    SELECT left_out, past, earlier, earlier_hashes, over, crossed, recorded FROM entitlements_draw_together(
        %s::text[], %s::text[], %s::uuid[], %s::text[], %s::timestamptz[], %s::timestamptz[], %s::bigint[],
        %s::boolean[], %s::text[], %s::int[], %s::text[], %s::bigint[], %s::boolean[],
        %s::uuid[], %s::text[], %s::text[], %s::text[], %s::bigint[], %s::timestamptz[], %s::text[], %s::int[],
        %s::timestamptz, %s::boolean)
"""
# Those of so many counters are kept as they are written.
ENTRIES_KEPT = 4096
# A value of each column, or several with commas between, as they stand there.
Cells = tuple[str, ...]


class Entry(NamedTuple):
    """One counter, by what is known of the user at `version`. One that is not plain is locked and no more."""

    feature_code: str
    subject: str
    pool: UUID | None
    member: str
    start: datetime
    end: datetime | None
    size: int | None
    soft: bool
    warns: str
    lowest: int | None
    user_id: str
    version: int
    plain: bool


class Item(NamedTuple):
    """One use, and the place of its entry from 1 on; 0: it is only asked whether it was written down before."""

    id: UUID
    principal: str
    key: str
    request_hash: str
    units: int
    at: datetime
    metadata: str
    entry: int


class Said(NamedTuple):
    """What became of them, by their places from 1 on: `past` is what was written down before, and its hash.

    `over` and `crossed` are places of entries: all of it is above a soft limit, or a share of the limit was reached.
    """

    left_out: frozenset[int]
    past: Mapping[int, tuple[UUID, str]]
    over: frozenset[int]
    crossed: Sequence[int]
    recorded_at: datetime


class Cursor(Protocol):
    def execute(self, query: str, params: Sequence[Any], /) -> Any: ...
    def fetchone(self) -> Any: ...


def entries(draw: Draw) -> list[Entry]:
    """Return the counters of a draw that can be drawn from together with others: what rolls over is made in its turn.

    They are plain when the draw is of this one alone.
    """
    found = draws.entries(draw.pools)
    warns, lowest = ",".join(map(str, draw.warn_at)), min(draw.warn_at, default=None)
    known, plain = draw.known, len(found) == 1
    rest = warns, lowest, known.user_id, known.version, plain
    return [Entry._make((draw.feature_code, *each[:7], *rest)) for each in found if each[8] is None]


def take(cursor: Cursor, entries: Sequence[Entry], items: Sequence[Item], *, now: datetime, telling: bool) -> Said:
    """Draw all that fits. Without `telling` nothing is drawn that reaches a threshold."""
    cursor.execute(STATEMENT, words(entries, items, now=now, telling=telling))
    return said(cursor.fetchone())


def words(entries: Sequence[Entry], items: Sequence[Item], *, now: datetime, telling: bool) -> list[str]:
    """Return the values of STATEMENT as Postgres reads them."""
    columns = (*zip(*entries, strict=True), *zip(*items, strict=True))
    written = [write(column) for write, column in zip(WRITERS, columns, strict=True)]
    return [*written, now.isoformat(), str(telling)]


@lru_cache(maxsize=ENTRIES_KEPT)
def cells_of_entry(entry: Entry) -> Cells:
    """Write an entry as it stands in the columns of STATEMENT."""
    return tuple([write((cell,))[1:-1] for write, cell in zip(WRITERS, entry, strict=False)])


def cells_of_items(items: Sequence[Item]) -> Cells:
    """Write the columns of uses, but for their places: whoever waits has the time for it."""
    if len(items) == 1:
        return _cells_of_item(items[0])
    columns = list(zip(*items, strict=True))[:-1]
    writers = WRITERS[len(Entry._fields) : -1]
    return tuple([write(column)[1:-1] for write, column in zip(writers, columns, strict=True)])


def _cells_of_item(item: Item) -> Cells:
    # As the writers of columns do, in half the time: most come alone.
    written = str(item.units), item.at.isoformat(), _text(item.metadata)
    return item.id.hex, _text(item.principal), _text(item.key), _text(item.request_hash), *written


def packed(entries: Iterable[Entry], items: Sequence[Cells], places: Sequence[int], *, now: datetime) -> list[str]:
    """Return the same as `words`, without telling, of what is written already."""
    columns = (*zip(*map(cells_of_entry, entries), strict=True), *zip(*items, strict=True))
    return [*("{" + ",".join(column) + "}" for column in columns), _words(places), now.isoformat(), "false"]


def said(row: Sequence[Any]) -> Said:
    """Read the row that STATEMENT answers."""
    left_out, past, earlier, hashes, over, crossed, recorded_at = row
    return Said(
        frozenset(left_out or ()),
        {place: (id, hashed) for place, id, hashed in zip(past or (), earlier or (), hashes or (), strict=True)},
        frozenset(over or ()),
        crossed or (),
        recorded_at,
    )


def _texts(column: Sequence[str]) -> str:
    # As Postgres writes arrays: a thousand adapted one by one cost more than what is done with them.
    joined = "".join(column)
    if "\\" in joined or '"' in joined:
        column = [each.replace("\\", "\\\\").replace('"', '\\"') for each in column]
    return '{"' + '","'.join(column) + '"}'


def _text(text: str) -> str:
    if "\\" in text or '"' in text:
        text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def _words(column: Iterable[object]) -> str:
    return "{" + ",".join(["NULL" if each is None else str(each) for each in column]) + "}"


def _ids(column: Iterable[UUID | None]) -> str:
    return "{" + ",".join(["NULL" if each is None else each.hex for each in column]) + "}"


def _moments(column: Iterable[datetime | None]) -> str:
    return "{" + ",".join(["NULL" if each is None else each.isoformat() for each in column]) + "}"


# Of the columns of entries, and of items.
WRITERS: tuple[Callable[[Any], str], ...] = (
    *(_texts, _texts, _ids, _texts, _moments, _moments, _words, _words, _texts, _words, _texts, _words, _words),
    *(_ids, _texts, _texts, _texts, _words, _moments, _texts, _words),
)
