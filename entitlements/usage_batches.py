"""Many uses at once: one statement for all that fit, and one by one what does not, each with its own outcome."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import IntegrityError, connection

from entitlements import draws, snapshot, thresholds, usage
from entitlements.draws import Draw
from entitlements.errors import EntitlementsError
from entitlements.facts import Facts
from entitlements.usage import TRIES, Use
from events.asking import Asking, KeyReused
from events.ids import uuid7
from events.transactions import whole

MOST = 1000
MANY = """
    SELECT drawn, earlier, earlier_hashes, crossed FROM entitlements_draw_many(
        %s::text[], %s::text[], %s::uuid[], %s::text[], %s::timestamptz[], %s::timestamptz[], %s::bigint[],
        %s::boolean[], %s::timestamptz[], %s::bigint[], %s::text[], %s::text[], %s::bigint[], %s::boolean[],
        %s::uuid[], %s::text[], %s::text[], %s::text[], %s::bigint[], %s::timestamptz[], %s::text[], %s::int[], %s, %s)
"""
Refusal = EntitlementsError | KeyReused


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one use: its row's id, and whether it was written down before; or why it was refused."""

    id: UUID | None = None
    replayed: bool = False
    error: Refusal | None = None


class _Item(NamedTuple):
    place: int
    use: Use
    asking: Asking
    draw: Draw


def record_many(uses: Sequence[Use], *, principal: str, now: datetime) -> list[Outcome]:
    """Write down at most 1,000 uses, each for itself as `usage.record` does, and return what became of each.

    In one transaction: what is told here has happened. May be repeated.
    """
    for _ in range(TRIES):
        try:
            return _recorded(uses, principal, now)
        except IntegrityError:
            # Somebody else recorded one of them at the same moment, of another counter: next time it is found.
            continue
    return _recorded(uses, principal, now)


@whole
def _recorded(uses: Sequence[Use], principal: str, now: datetime) -> list[Outcome]:
    known = snapshot.current_many({use.user_id for use in uses})
    asked = [(place, use, use.asking(principal)) for place, use in enumerate(uses)]
    outcomes = dict(_drawn(list(_worked_out(asked, known, now)), now))
    waiting = [(place, use) for place, use, _ in asked if place not in outcomes]
    if len({use.event_id for use in uses}) == len(uses):
        # In one order, so that no two batches wait for each other; those of one pool stay in theirs.
        waiting.sort(key=lambda each: _pool_of(each[1], known))
    for place, use in waiting:
        outcomes[place] = _alone(use, principal, now)
    return [outcomes[place] for place, _, _ in asked]


def _pool_of(use: Use, known: Mapping[str, Facts]) -> tuple[str, str]:
    """Name what a use may share a pool with: its user or his family, and the feature."""
    return str(known[use.user_id].family_id or use.user_id), use.feature_code


def _worked_out(asked: Iterable[tuple[int, Use, Asking]], known: Mapping[str, Facts], now: datetime) -> Iterator[_Item]:
    """Work out what pays for each; what cannot be is left out, to be refused for itself."""
    remembered: dict[tuple[Any, ...], Draw | None] = {}
    for index, use, asking in asked:
        at = use.at or now
        place = (use.user_id, use.feature_code, at)
        if use.units < 1 or at > now + usage.AHEAD:
            continue
        if place not in remembered:
            try:
                remembered[place] = draws.of(known[use.user_id], use.feature_code, use.units, at)
            except EntitlementsError:
                remembered[place] = None
        if draw := remembered[place]:
            yield _Item(index, use, asking, draw)


def _drawn(items: Sequence[_Item], now: datetime) -> Iterator[tuple[int, Outcome]]:
    """Draw all that fits as a sum. What is not told of here is still to be drawn."""
    places: dict[Any, int] = {}
    entries: list[list[Any]] = []
    draws_of: list[Draw] = []
    rows: list[tuple[Any, ...]] = []
    named = Counter(item.use.event_id for item in items)
    for item in items:
        found = draws.entries(item.draw.pools)
        # One pool without a rollover or a share, and no second use under the same id.
        place, plain = 0, len(found) == 1 and found[0][8] is None and named[item.use.event_id] == 1
        # What rolls over is worked out when a counter is made, so such a one is made in its turn.
        for entry in (entry for entry in found if entry[8] is None):
            place = places.setdefault((item.draw.feature_code, *entry[:4]), len(entries))
            if place == len(entries):
                warned = ",".join(map(str, item.draw.warn_at))
                entries.append(
                    [item.draw.feature_code, *entry[:9], warned, item.use.user_id, item.draw.known.version, True]
                )
                draws_of.append(item.draw)
            entries[place][13] &= plain
        rows.append(_row(item, place + 1 if plain else 0, now))
    if not entries:
        return
    with connection.cursor() as cursor:
        columns = [list(column) for column in (*zip(*entries, strict=True), *zip(*rows, strict=True))]
        cursor.execute(MANY, [*columns, now, True])
        drawn, earlier, hashes, crossed = cursor.fetchone()
    for place in crossed:
        thresholds.tell(draws_of[place - 1], at=now)
    for item, row, fitted, past, hashed in zip(items, rows, drawn, earlier, hashes, strict=True):
        if past is not None:
            same = hashed == item.asking.request_hash
            yield item.place, Outcome(past, True) if same else Outcome(error=KeyReused())
        elif fitted:
            yield item.place, Outcome(row[0])


def _row(item: _Item, entry: int, now: datetime) -> tuple[Any, ...]:
    said = json.dumps(dict(item.use.metadata)) if item.use.metadata else "{}"
    asking = item.asking
    at = item.use.at or now
    return uuid7(), asking.principal, asking.key, asking.request_hash, item.use.units, at, said, entry


def _alone(use: Use, principal: str, now: datetime) -> Outcome:
    try:
        row, replayed = usage.record(use, principal=principal, now=now)
    except (EntitlementsError, KeyReused) as error:
        return Outcome(error=error)
    return Outcome(row.pk, replayed)
