"""When several grants give one feature: which one decides, and what they give together.

Every choice ends with the id, so the order of rows never shows.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from entitlements.periods import window
from entitlements.reasons import ReasonCode
from entitlements.spans import FAR, Grant, barred, in_grace, until

# Personal before family before promotion before trial.
RANK = {"family": 1, "promotion": 2, "trial": 3}
# A family pool is paid for too, by somebody else: what is one's own is used first, by the rank.
PAID = {"subscription", "one_time", "family"}


def lasting(grants: Sequence[Grant], at: datetime) -> Grant:
    """Return the grant that gives access longest; one within its paid span comes before one in grace."""
    return min(grants, key=lambda grant: (in_grace(grant, at), FAR - (until(grant) or FAR), _tie(grant)))


def merged(grants: Sequence[Grant], rule: str) -> tuple[Grant, Any]:
    """Return the value of a static feature by its merge rule, and the grant that it comes from.

    `max` and `min` compare numbers, then text; `union` joins lists; `newest` takes the grant made last.
    """
    ordered = sorted((grant for grant in grants if grant.value is not None), key=_tie) or sorted(grants, key=_tie)
    if rule == "union":
        return ordered[0], _union(ordered)
    if rule == "newest":
        winner = min(ordered, key=lambda grant: (FAR - grant.granted_at, _tie(grant)))
    else:
        # The first of equals wins, and they stand in order of ties.
        winner = (min if rule == "min" else max)(ordered, key=lambda grant: _weight(grant.value))
    return winner, winner.value


def pooled(grants: Sequence[Grant], at: datetime, *, consumable: bool) -> tuple[Grant, int | None]:
    """Return the limit of all pools together (None is unlimited), and the pool that pays next.

    What is used up adds; of what is only counted, such as seats, the largest pool holds.
    """
    ordered = sorted(grants, key=lambda grant: _burn(grant, at))
    endless = next((grant for grant in ordered if grant.limit is None), None)
    if endless is not None:
        return endless, None
    if consumable:
        return ordered[0], sum(grant.limit or 0 for grant in ordered)
    largest = max(ordered, key=lambda grant: grant.limit or 0)
    return largest, largest.limit


def telling(grants: Sequence[Grant], at: datetime) -> Grant:
    """Return the grant that best explains why there is no access.

    What is held back can be put right, and what is to come can be waited for; else it is what ended last.
    """

    def key(grant: Grant) -> tuple[int, timedelta, str]:
        match barred(grant, at):
            case ReasonCode.NOT_STARTED:
                return 1, grant.starts_at - FAR, str(grant.id)
            case ReasonCode.REVOKED:
                return 2, FAR - grant.status_at, str(grant.id)
            case ReasonCode.EXPIRED | ReasonCode.CANCELED:
                return 2, FAR - (until(grant) or FAR), str(grant.id)
        return 0, FAR - grant.status_at, str(grant.id)

    return min(grants, key=key)


def _tie(grant: Grant) -> tuple[int, timedelta, str]:
    return RANK.get(grant.source_type, 0), FAR - grant.granted_at, str(grant.id)


def _burn(grant: Grant, at: datetime) -> tuple[datetime, datetime, bool, tuple[int, timedelta, str]]:
    """Order pools: nearest expiry, nearest reset, free before paid, personal before family."""
    reset = window(grant.period, anchor=grant.starts_at, at=at)
    return (
        grant.ends_at or FAR,
        reset.end if reset else FAR,
        grant.source_type in PAID,
        _tie(grant),
    )


def _weight(value: Any) -> tuple[int, float | str]:
    return (0, value) if isinstance(value, int | float) else (1, _text(value))


def _union(grants: Sequence[Grant]) -> list[Any]:
    lists = (grant.value if isinstance(grant.value, list) else [grant.value] for grant in grants)
    items = {_text(item): item for values in lists for item in values if item is not None}
    return [items[text] for text in sorted(items, key=lambda text: (_weight(items[text]), text))]


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)
