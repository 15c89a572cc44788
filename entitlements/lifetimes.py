"""How long what is known of a user may be kept: never past the next date in it, and a refusal not for long."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

from entitlements import boundaries, facts
from entitlements.facts import Facts
from entitlements.packing import Unfolded
from entitlements.rules import in_force
from entitlements.spans import Dated, barred
from pricing.models import Feature

LONGEST_SECONDS, OF_REFUSALS_SECONDS = 30.0, 5.0
LONGEST, DAY = timedelta(seconds=LONGEST_SECONDS), timedelta(days=1)
# What was read together shall not be read anew together.
JITTER = 0.1


def seconds(known: Facts, at: datetime) -> float:
    """Return for how many seconds from `at` on it may be kept; 0 or less: not at all."""
    longest = LONGEST_SECONDS if _gives(known, at) else OF_REFUSALS_SECONDS
    longest *= 1 - JITTER * random.random()  # noqa: S311 (it hides nothing)
    end = None if is_quiet(known, at, facts.features(known.catalog)) else next_boundary(known, at)
    return longest if end is None else min(longest, (end - at).total_seconds())


def next_boundary(known: Facts, at: datetime) -> datetime | None:
    """Return the first moment after `at` at which anything begins, ends or is counted anew; None for never."""
    found = facts.features(known.catalog)
    asked = ((found[code], known.grants.get(code, ()), known.rules.get(code, ())) for code in found)
    moments = (boundaries.following(*each, at) for each in asked if any(each[1:]))
    return min((moment for moment in moments if moment), default=None)


def is_quiet(known: Facts, at: datetime, found: Mapping[str, Feature]) -> bool:
    """Say, when it can be seen without making a grant, that no boundary comes before the longest time is over."""
    if known.rules or not isinstance(known.grants, Unfolded):
        return False
    if any(feature.archived_at for feature in found.values()):
        return False
    return all(not part.shape.by_calendar and _is_far(part.together, at) for part in known.grants.parts)


def _is_far(together: Mapping[str, Any], at: datetime) -> bool:
    starts_at: datetime = together["starts_at"]
    # A period that is not the calendar's ends whole days after the start, or at the same time of another day.
    if (starts_at - at) % DAY <= LONGEST:
        return False
    moments = together["status_at"], together["ends_at"], together["grace_until"]
    return not any(moment is not None and at < moment <= at + LONGEST for moment in moments)


def _gives(known: Facts, at: datetime) -> bool:
    given = any(barred(dated, at) is None for dated in _dated(known))
    return given or any(rule.effect != "deny" for rules in known.rules.values() for rule in in_force(rules, at)[:1])


def _dated(known: Facts) -> Iterable[Dated]:
    """Return enough to see whether any grant gives access, without making one where that can be seen."""
    if isinstance(known.grants, Unfolded):
        return (cast(Dated, SimpleNamespace(**part.together)) for part in known.grants.parts)
    return itertools.chain.from_iterable(known.grants.values())
