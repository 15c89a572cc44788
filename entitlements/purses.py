"""What pays for a plain use, remembered until it may be another: one counter, by what is known of the user."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from entitlements import draws, snapshot, together
from entitlements.errors import EntitlementsError
from entitlements.facts import Facts
from entitlements.spans import FAR
from entitlements.together import Entry

REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Purse:
    """What pays from `since` until `until` by facts of these versions; no entry: it is not plain."""

    version: int
    catalog: int
    entry: Entry | None
    since: datetime
    until: datetime

    def is_of(self, known: Facts, at: datetime) -> bool:
        """Say whether it still is what these facts say of a moment."""
        same = self.version == known.version and self.catalog == known.catalog
        return same and self.since <= at < self.until


_purses: dict[tuple[str, str], Purse] = {}


def entry_of(user_id: str, feature_code: str, at: datetime) -> Entry | None:
    """Return the only counter that pays for a use at `at`; None where more is to be looked at.

    Reads what is not known near. What staff have overridden is never plain: it may depend on what was used.
    """
    known = snapshot.peek(user_id) or snapshot.current(user_id)
    name = user_id, feature_code
    purse = _purses.get(name)
    if purse is None or not purse.is_of(known, at):
        purse = _made(known, feature_code, at)
        while len(_purses) >= REMEMBERED:
            _purses.pop(next(iter(_purses)), None)
        _purses[name] = purse
    return purse.entry


def _made(known: Facts, feature_code: str, at: datetime) -> Purse:
    if known.rules.get(feature_code):
        return Purse(known.version, known.catalog, None, at, FAR)
    try:
        draw = draws.of(known, feature_code, 1, at)
    except EntitlementsError:
        return Purse(known.version, known.catalog, None, at, at)
    found = together.entries(draw)
    plain = found[0] if len(found) == 1 and found[0].plain else None
    return Purse(known.version, known.catalog, plain, at, draw.until or FAR)
