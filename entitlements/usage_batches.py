"""Many uses at once: one statement for all that fit, and one by one what does not, each with its own outcome."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db import IntegrityError, connection

from entitlements import draws, purses, snapshot, thresholds, together, usage
from entitlements.convoys import Convoy, Load
from entitlements.errors import EntitlementsError
from entitlements.facts import Facts
from entitlements.together import Entry, Item
from entitlements.usage import TRIES, Use
from events.asking import Asking, KeyReused
from events.ids import uuid7s
from events.transactions import whole

# Of one batch; and so many batches go together.
MOST, MOST_TOGETHER = 1000, 4
convoy = Convoy(most=MOST_TOGETHER)
Refusal = EntitlementsError | KeyReused


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one use: its row's id, and whether it was written down before; or why it was refused."""

    id: UUID | None = None
    replayed: bool = False
    error: Refusal | None = None


class _Asked(NamedTuple):
    place: int
    use: Use
    asking: Asking
    at: datetime


def record_many(uses: Sequence[Use], *, principal: str, now: datetime) -> list[Outcome]:
    """Write down at most 1,000 uses, each for itself as `usage.record` does, and return what became of each.

    What is told here has happened. May be repeated.
    """
    # Whether it is still so the statement asks itself.
    known = snapshot.current_many({use.user_id for use in uses})
    asked = [_Asked(place, use, use.asking(principal), use.at or now) for place, use in enumerate(uses)]
    # Inside a transaction nothing is written beside it.
    outcomes = {} if connection.in_atomic_block else _carried(asked, known, principal, now)
    if left := [each for each in asked if each.place not in outcomes]:
        outcomes |= _left(left, known, principal, now)
    return [outcomes[each.place] for each in asked]


def _carried(asked: Sequence[_Asked], known: Mapping[str, Facts], principal: str, now: datetime) -> dict[int, Outcome]:
    """Draw what is plain and reaches no threshold: one statement for this batch and those that come with it."""
    draft = _drafted(asked, known, now)
    found = zip(draft.drafted, draft.items, strict=True)
    carried = [(each, item) for each, item in found if item.entry and draft.entries[item.entry - 1].plain]
    if not carried:
        return {}
    numbers: dict[int, int] = {}
    places = [numbers.setdefault(item.entry, len(numbers) + 1) for _, item in carried]
    entries = [draft.entries[place - 1] for place in numbers]
    told = convoy.carry(Load(principal, [item for _, item in carried], entries, places, now))
    outcomes = {}
    for number, (each, item) in enumerate(carried, 1):
        if told is not None and number not in told.left_out:
            outcomes[each.place] = Outcome(item.id)
        elif told is not None and number in told.past:
            outcomes[each.place] = _again(each, *told.past[number])
    return outcomes


def _again(asked: _Asked, id: UUID, hashed: str) -> Outcome:
    return Outcome(id, True) if hashed == asked.asking.request_hash else Outcome(error=KeyReused())


def _left(asked: Sequence[_Asked], known: Mapping[str, Facts], principal: str, now: datetime) -> dict[int, Outcome]:
    for _ in range(TRIES):
        try:
            return _recorded(asked, known, principal, now)
        except IntegrityError:
            # Somebody else recorded one of them at the same moment, of another counter: next time it is found.
            continue
    return _recorded(asked, known, principal, now)


@whole
def _recorded(asked: Sequence[_Asked], known: Mapping[str, Facts], principal: str, now: datetime) -> dict[int, Outcome]:
    outcomes = dict(_drawn(asked, known, now))
    waiting = [(each.place, each.use) for each in asked if each.place not in outcomes]
    if len({each.use.event_id for each in asked}) == len(asked):
        # In one order, so that no two batches wait for each other; those of one pool stay in theirs.
        waiting.sort(key=lambda each: _pool_of(each[1], known))
    for place, use in waiting:
        outcomes[place] = _alone(use, principal, now)
    return outcomes


def _pool_of(use: Use, known: Mapping[str, Facts]) -> tuple[str, str]:
    """Name what a use may share a pool with: its user or his family, and the feature."""
    return str(known[use.user_id].family_id or use.user_id), use.feature_code


class _Draft:
    """The statement as it is put together: each counter once."""

    def __init__(self, known: Mapping[str, Facts], now: datetime, *, most: int):
        self._known, self._now, self._ids = known, now, iter(uuid7s(most))
        self._places: dict[tuple[object, ...], int] = {}
        self._payers: dict[tuple[str, str, datetime], Sequence[Entry]] = {}
        self.entries: list[Entry] = []
        self.drafted: list[_Asked] = []
        self.items: list[Item] = []

    def add(self, asked: _Asked, *, again: bool) -> None:
        """Add a use; what nobody pays for is left out, to be refused for itself. `again`: its id comes twice."""
        use, key, entry = asked.use, asked.asking.key, 0
        if use.units < 1 or asked.at > self._now + usage.AHEAD or key is None:
            return
        found = self._paying(use, asked.at)
        if found is None:
            return
        for each in found:
            entry = self._place(each, plain=each.plain and not again)
        if len(found) != 1 or not found[0].plain or again:
            entry = 0
        said = json.dumps(dict(use.metadata)) if use.metadata else "{}"
        hashed = asked.asking.request_hash
        self.items.append(Item(next(self._ids), asked.asking.principal, key, hashed, use.units, asked.at, said, entry))
        self.drafted.append(asked)

    def _paying(self, use: Use, at: datetime) -> Sequence[Entry] | None:
        name = use.user_id, use.feature_code, at
        if name not in self._payers:
            known = self._known[use.user_id]
            plain = purses.plain(known, use.feature_code, at)
            try:
                found = [plain] if plain else together.entries(draws.of(known, use.feature_code, use.units, at))
            except EntitlementsError:
                return None
            self._payers[name] = found
        return self._payers[name]

    def _place(self, entry: Entry, *, plain: bool) -> int:
        place = self._places.setdefault(entry[:5], len(self.entries) + 1)
        if place > len(self.entries):
            self.entries.append(entry)
        if not plain and self.entries[place - 1].plain:
            self.entries[place - 1] = self.entries[place - 1]._replace(plain=False)
        return place


def _drafted(asked: Sequence[_Asked], known: Mapping[str, Facts], now: datetime) -> _Draft:
    named = Counter([each.use.event_id for each in asked])
    draft = _Draft(known, now, most=len(asked))
    for each in asked:
        draft.add(each, again=named[each.use.event_id] > 1)
    return draft


def _drawn(asked: Sequence[_Asked], known: Mapping[str, Facts], now: datetime) -> Iterator[tuple[int, Outcome]]:
    """Draw all that fits as a sum. What is not told of here is still to be drawn."""
    draft = _drafted(asked, known, now)
    if not draft.entries:
        return
    with connection.cursor() as cursor:
        said = together.take(cursor, draft.entries, draft.items, now=now, telling=True)
    for place in said.crossed:
        entry = draft.entries[place - 1]
        at = next(each.at for each, item in zip(draft.drafted, draft.items, strict=True) if item.entry == place)
        thresholds.tell(draws.of(known[entry.user_id], entry.feature_code, 1, at), at=now)
    for number, (each, item) in enumerate(zip(draft.drafted, draft.items, strict=True), 1):
        if number not in said.left_out:
            yield each.place, Outcome(item.id)
        elif number in said.past:
            yield each.place, _again(each, *said.past[number])


def _alone(use: Use, principal: str, now: datetime) -> Outcome:
    try:
        row, replayed = usage.record(use, principal=principal, now=now)
    except (EntitlementsError, KeyReused) as error:
        return Outcome(error=error)
    return Outcome(row.pk, replayed)
