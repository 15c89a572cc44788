"""When several grants give one feature: which one decides, and what they give together.

Every choice ends with the id, so the order of rows never shows.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from entitlements import periods
from entitlements.reasons import ReasonCode
from entitlements.spans import FAR, Grant, barred, in_grace, until

# Personal before family before promotion before trial.
RANK = {"family": 1, "promotion": 2, "trial": 3}
# A family pool is paid for too, by somebody else: what is one's own is used first, by the rank.
PAID = {"subscription", "one_time", "family"}


def lasting(grants: Sequence[Grant], at: datetime) -> Grant:
    """Return the grant that gives access longest; one within its paid span comes before one in grace."""
    return grants[0] if len(grants) == 1 else min(grants, key=lambda grant: longest(grant, at))


def longest(grant: Grant, at: datetime) -> tuple[Any, ...]:
    """Order grants by how long they give access."""
    return in_grace(grant, at), FAR - (until(grant) or FAR), _tie(grant)


def rank(grant: Grant, user_id: str) -> tuple[Any, ...]:
    """Order grants whose values are equal: personal before family before promotion before trial, newest, id."""
    return _tie(grant, user_id)


def merged(grants: Sequence[Grant], rule: str, *, user_id: str = "", choices: Sequence[Any] = ()) -> tuple[Grant, Any]:
    """Return the value of a static feature by its merge rule, and the grant that it comes from.

    `max` and `min` compare numbers, then text, and of an enum the places among its `choices`, the weakest first;
    `union` joins lists; `newest` takes the grant made last.
    """
    mine = partial(_tie, user_id=user_id)
    ordered = sorted((grant for grant in grants if grant.value is not None), key=mine) or sorted(grants, key=mine)
    if rule == "union":
        return ordered[0], _union(ordered)
    if rule == "newest":
        winner = min(ordered, key=lambda grant: (FAR - grant.granted_at, mine(grant)))
    else:
        # The first of equals wins, and they stand in order of ties.
        winner = (min if rule == "min" else max)(ordered, key=lambda grant: _weight(grant.value, choices))
    return winner, winner.value


def telling(grants: Sequence[Grant], at: datetime) -> Grant:
    """Return the grant that best explains why there is no access.

    What is held back can be put right, and what is to come can be waited for; else it is what ended last.
    """
    return min(grants, key=lambda grant: likeliest(grant, at))


def likeliest(grant: Grant, at: datetime) -> tuple[int, timedelta, str]:
    """Order grants that give no access by how well they explain it."""
    match barred(grant, at):
        case ReasonCode.NOT_STARTED:
            return 1, grant.starts_at - FAR, str(grant.id)
        case ReasonCode.REVOKED:
            return 2, FAR - grant.status_at, str(grant.id)
        case ReasonCode.EXPIRED | ReasonCode.CANCELED:
            return 2, FAR - (until(grant) or FAR), str(grant.id)
    return 0, FAR - grant.status_at, str(grant.id)


def _tie(grant: Grant, user_id: str = "") -> tuple[int, timedelta, str]:
    rank = RANK["family"] if _is_shared(grant, user_id) else RANK.get(grant.source_type, 0)
    return rank, FAR - grant.granted_at, str(grant.id)


def _is_shared(grant: Grant, user_id: str) -> bool:
    return bool(user_id and grant.user_id and grant.user_id != user_id)


def burn(grant: Grant, at: datetime, user_id: str = "") -> tuple[Any, ...]:
    """Order pools for a user: priority, nearest expiry, nearest reset, free before paid, personal before family."""
    reset = periods.of(grant, at)
    return (
        grant.priority,
        grant.ends_at or FAR,
        reset.end if reset else FAR,
        grant.source_type in PAID,
        _is_shared(grant, user_id),
        _tie(grant),
    )


def _weight(value: Any, choices: Sequence[Any] = ()) -> tuple[int, float | str]:
    if value in choices:
        return 2, choices.index(value)
    return (0, value) if isinstance(value, int | float) else (1, _text(value))


def _union(grants: Sequence[Grant]) -> list[Any]:
    lists = (grant.value if isinstance(grant.value, list) else [grant.value] for grant in grants)
    items = {_text(item): item for values in lists for item in values if item is not None}
    return [items[text] for text in sorted(items, key=lambda text: (_weight(items[text]), text))]


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)
