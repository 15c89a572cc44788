"""How long what is known of a user may be kept: never past the next date in it, and a refusal not for long."""

from __future__ import annotations

import random
from datetime import datetime

from entitlements import boundaries, facts
from entitlements.facts import Facts
from entitlements.rules import in_force
from entitlements.spans import barred

LONGEST_SECONDS, OF_REFUSALS_SECONDS = 30.0, 5.0
# What was read together shall not be read anew together.
JITTER = 0.1


def seconds(known: Facts, at: datetime) -> float:
    """Return for how many seconds from `at` on it may be kept; 0 or less: not at all."""
    longest = LONGEST_SECONDS if _gives(known, at) else OF_REFUSALS_SECONDS
    longest *= 1 - JITTER * random.random()  # noqa: S311 (it hides nothing)
    end = next_boundary(known, at)
    return longest if end is None else min(longest, (end - at).total_seconds())


def next_boundary(known: Facts, at: datetime) -> datetime | None:
    """Return the first moment after `at` at which anything begins, ends or is counted anew; None for never."""
    found = facts.features(known.catalog)
    asked = ((found[code], known.grants.get(code, ()), known.rules.get(code, ())) for code in found)
    moments = (boundaries.following(*each, at) for each in asked if any(each[1:]))
    return min((moment for moment in moments if moment), default=None)


def _gives(known: Facts, at: datetime) -> bool:
    given = any(barred(grant, at) is None for grants in known.grants.values() for grant in grants)
    return given or any(rule.effect != "deny" for rules in known.rules.values() for rule in in_force(rules, at)[:1])
