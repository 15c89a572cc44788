"""What the pools of a metered feature say together: the limit, what is used, what is left, and for whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType

from entitlements import pools
from entitlements.pools import Pool, Tallies, Tally
from entitlements.rules import Rule
from entitlements.spans import Grant
from pricing.models import Feature

NO_TALLIES: Tallies = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Reading:
    """`left` is what this user may still use, `left_of_all` without a member's cap; None is without end.

    `next` is the pool that pays next, None when nothing can.
    """

    pools: tuple[Pool, ...]
    next: Pool | None
    limit: int | None
    used: int
    reserved: int
    left: int | None
    left_of_all: int | None
    soft: bool
    overage: int
    warning: int | None


def read(
    user_id: str, feature: Feature, grants: Sequence[Grant], rule: Rule | None, *, at: datetime, tallies: Tallies
) -> Reading:
    """Read the meter for a user. `grants` are those that give access at `at`, `tallies` their counters."""
    found = payers(user_id, feature, grants, rule, at=at, tallies=tallies)
    limit = pools.limit_of(found, tallies)
    counted = dict.fromkeys(key for pool in found for key in (pool.key, *pool.instead_of))
    counts = [tallies.get(key, Tally()) for key in counted]
    used = sum(tally.used for tally in counts)
    return Reading(
        tuple(found),
        _next(found, tallies),
        limit,
        used,
        sum(tally.reserved for tally in counts),
        _together([pools.left(pool, tallies) for pool in found]),
        _together([pools.left_of_all(pool, tallies) for pool in found]),
        soft=any(pool.soft for pool in found),
        overage=0 if limit is None else max(used - limit, 0),
        warning=_warning(found, used, limit),
    )


def payers(
    user_id: str, feature: Feature, grants: Sequence[Grant], rule: Rule | None, *, at: datetime, tallies: Tallies
) -> list[Pool]:
    """Return the pools that pay, in burn order, as staff's override makes them."""
    found = pools.of(user_id, feature, grants, at)
    if rule is not None and rule.effect == "value":
        return pools.resized(found, rule, user_id, feature, tallies)
    if rule is not None and not found:
        return [replace(pools.of_rule(rule, (), user_id, feature), limit=None)]
    return pools.beside_rules(found, user_id, feature, tallies)


def _next(found: Sequence[Pool], tallies: Tallies) -> Pool | None:
    endless = next((pool for pool in found if pool.limit is None), None)
    with_some = next((pool for pool in found if pools.left(pool, tallies) != 0), None)
    return endless or with_some or next((pool for pool in found if pool.soft), None) or (found[0] if found else None)


def _together(each: Sequence[int | None]) -> int | None:
    return None if None in each else sum(left or 0 for left in each)


def _warning(found: Sequence[Pool], used: int, limit: int | None) -> int | None:
    told = {percent for pool in found if pool.grant for percent in pool.grant.warn_at}
    if not limit:
        return None
    return max((percent for percent in told if used * 100 >= percent * limit), default=None)
