"""What pays for a plain use, remembered with what is known of the user: one counter, until it may be another."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from entitlements import draws, snapshot, together
from entitlements.errors import EntitlementsError
from entitlements.facts import Facts
from entitlements.spans import FAR
from entitlements.together import Entry


@dataclass(frozen=True, slots=True)
class Purse:
    """What pays from `since` until `until`; no entry: it is not plain."""

    entry: Entry | None
    since: datetime
    until: datetime


def near(user_id: str, feature_code: str, at: datetime) -> Purse | None:
    """Return the purse of `at` where this process remembers it. Asks nobody."""
    known = snapshot.peek(user_id)
    purse: Purse | None = known.purses.get(feature_code) if known else None
    return purse if purse is not None and purse.since <= at < purse.until else None


def entry_of(user_id: str, feature_code: str, at: datetime) -> Entry | None:
    """Return the only counter that pays for a use at `at`; None where more is to be looked at.

    Reads what is not known near. What staff have overridden is never plain: it may depend on what was used.
    """
    return plain(snapshot.peek(user_id) or snapshot.current(user_id), feature_code, at)


def plain(known: Facts, feature_code: str, at: datetime) -> Entry | None:
    """Return the same of whom this is known."""
    purse: Purse | None = known.purses.get(feature_code)
    if purse is None or not purse.since <= at < purse.until:
        purse = _made(known, feature_code, at)
        # Nobody makes a user's facts larger by inventing features.
        if feature_code in known.grants:
            known.purses[feature_code] = purse
    return purse.entry


def _made(known: Facts, feature_code: str, at: datetime) -> Purse:
    if known.rules.get(feature_code):
        return Purse(None, at, FAR)
    try:
        draw = draws.of(known, feature_code, 1, at)
    except EntitlementsError:
        return Purse(None, at, at)
    found = together.entries(draw)
    entry = found[0] if len(found) == 1 and found[0].plain else None
    return Purse(entry, at, draw.until or FAR)
