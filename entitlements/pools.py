"""What pays for the use of a metered feature: one pool a grant, side by side, in the order in which they are used up.

A pool is counted under a key. A missing count is 0; what rolls over is worked out from the period before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from entitlements import overlap, periods
from entitlements.periods import Window
from entitlements.rules import Rule
from entitlements.spans import Grant
from pricing.models import Feature

# Where what never starts anew is counted from.
ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
TICK = timedelta(microseconds=1)
# Of so many periods without any use, what was left can add up.
MOST_BEFORE = 60


class Key(NamedTuple):
    """Which counter: whose, of what, which pool (none: by subject alone), whose share (none: of all), since when."""

    subject: str
    feature: str
    pool: UUID | None
    member: str
    start: datetime


@dataclass(frozen=True, slots=True)
class Tally:
    """What a counter says."""

    used: int = 0
    reserved: int = 0
    # None: there is no such counter yet.
    rolled: int | None = None


@dataclass(frozen=True, slots=True)
class Pool:
    """`limit` units (None is unlimited) in `period`; `soft` lets more through, `share` is one member's part of it.

    `befores` are where the periods before were counted, the nearest first: as many as what rolls over may come from.
    `spent` is what other counters have already taken of this limit, and `instead_of` are those that are locked with it.
    """

    key: Key
    grant: Grant | None
    period: Window | None
    limit: int | None
    soft: bool
    share: Key | None = None
    share_cap: int | None = None
    befores: tuple[Key, ...] = ()
    spent: int = 0
    instead_of: tuple[Key, ...] = ()


Tallies = Mapping[Key, Tally]


def of(user_id: str, feature: Feature, grants: Sequence[Grant], at: datetime) -> list[Pool]:
    """Return the pools of the grants that give access at `at`, in burn order.

    What is used up has a pool a grant; what is only counted, such as seats, has the largest alone.
    """
    ordered = sorted(grants, key=lambda grant: overlap.burn(grant, at, user_id))
    if feature.consumable:
        return [_of_grant(user_id, feature.code, grant, at) for grant in ordered]
    if not ordered:
        return []
    endless = next((grant for grant in ordered if grant.limit is None), None)
    return [_counted(user_id, feature.code, endless or max(ordered, key=lambda grant: grant.limit or 0))]


def resized(pools: Sequence[Pool], rule: Rule, user_id: str, feature: Feature, tallies: Tallies) -> list[Pool]:
    """Return the pools as staff's override of the limit makes them: one more, or one in the stead of all.

    What is only counted stays one count, whatever its limit.
    """
    made = of_rule(rule, pools, user_id, feature)
    if not feature.consumable:
        return [_recounted(pools[0], rule) if pools else made]
    if rule.operation == "add":
        above = 0 if rule.limit is None else max(_taken(made.key, tallies) - rule.limit, 0)
        return [*_less(pools, above, tallies), made]
    total = limit_of(pools, tallies)
    if rule.operation == "max" and pools and (total is None or (rule.limit is not None and rule.limit <= total)):
        return beside_rules(pools, user_id, feature, tallies)
    taken = sum(_taken(pool.key, tallies) for pool in pools)
    return [replace(made, spent=taken, instead_of=tuple(pool.key for pool in pools))]


def of_rule(rule: Rule, pools: Sequence[Pool], user_id: str, feature: Feature) -> Pool:
    """Return the pool that an override of the limit makes: its period is that of the first grant's."""
    period = pools[0].period if pools else None
    return Pool(key_of_rules(pools, user_id, feature), None, period, rule.limit, soft=False)


def key_of_rules(pools: Sequence[Pool], user_id: str, feature: Feature) -> Key:
    """Return where all that overrides give is counted: one count in a period, so that none forgets another's."""
    period = pools[0].period if pools else None
    return Key(f"user:{user_id}", feature.code, None, "", period.start if period else ALWAYS)


def beside_rules(pools: Sequence[Pool], user_id: str, feature: Feature, tallies: Tallies) -> list[Pool]:
    """Return the pools less what the user has used of this period by overrides that are over."""
    key = key_of_rules(pools, user_id, feature)
    taken = _taken(key, tallies)
    if not taken or not pools or not feature.consumable:
        return list(pools)
    first, *others = _less(pools, taken, tallies)
    return [replace(first, instead_of=(key,)), *others]


def _less(pools: Sequence[Pool], taken: int, tallies: Tallies) -> Iterator[Pool]:
    """Spread what was taken over the pools in their order."""
    for pool in pools:
        room = left_of_all(pool, tallies)
        part = taken if room is None else min(taken, room)
        taken -= part
        yield replace(pool, spent=part)


def _taken(key: Key, tallies: Tallies) -> int:
    tally = tallies.get(key, Tally())
    return tally.used + tally.reserved


def _recounted(pool: Pool, rule: Rule) -> Pool:
    if rule.operation == "add":
        return replace(
            pool, limit=_sum(pool.limit, rule.limit), share_cap=_sum(pool.share_cap, rule.limit) if pool.share else None
        )
    if rule.operation == "max" and (pool.limit is None or (rule.limit is not None and rule.limit <= pool.limit)):
        return pool
    return replace(pool, grant=None, limit=rule.limit, soft=False, share_cap=None)


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other


def keys(pools: Sequence[Pool]) -> list[Key]:
    """Return every key whose tally matters for these pools."""
    found = (key for pool in pools for key in (pool.key, pool.share, *pool.befores))
    return list(dict.fromkeys(key for key in found if key))


def capacity(pool: Pool, tallies: Tallies) -> int | None:
    """Return what the pool may give in its period, with what moved on from the period before; None without end."""
    return None if pool.limit is None else pool.limit + rolled(pool, tallies)


def rolled(pool: Pool, tallies: Tallies) -> int:
    """Return what moves on from the period before: what was left of it, at most `rollover_max`.

    A period in which nothing was used has no counter, and left what had moved on to it as well as its own limit.
    """
    counted = tallies.get(pool.key, Tally()).rolled
    if counted is not None:
        return counted
    if pool.grant is None or pool.grant.rollover_max is None or pool.limit is None:
        return 0
    unused = 0
    for key in pool.befores:
        old = tallies.get(key, Tally())
        if old.rolled is not None:
            unused += max(pool.limit + old.rolled - old.used - old.reserved, 0)
            break
        unused += pool.limit
    return min(pool.grant.rollover_max, unused)


def left(pool: Pool, tallies: Tallies) -> int | None:
    """Return what the pool still gives to this user: None without end, never below 0."""
    return _least(left_of_all(pool, tallies), left_of_share(pool, tallies))


def left_of_all(pool: Pool, tallies: Tallies) -> int | None:
    """Return what the pool still gives to all who share it."""
    size, tally = capacity(pool, tallies), tallies.get(pool.key, Tally())
    return None if size is None else max(size - pool.spent - tally.used - tally.reserved, 0)


def left_of_share(pool: Pool, tallies: Tallies) -> int | None:
    """Return what is left of one member's share; None without a cap."""
    if pool.share is None or pool.share_cap is None:
        return None
    tally = tallies.get(pool.share, Tally())
    return max(pool.share_cap - tally.used - tally.reserved, 0)


def limit_of(pools: Sequence[Pool], tallies: Tallies) -> int | None:
    """Return the limit of all pools together; any without end wins."""
    sizes = [capacity(pool, tallies) for pool in pools]
    return None if None in sizes else sum(size or 0 for size in sizes)


def _of_grant(user_id: str, feature: str, grant: Grant, at: datetime) -> Pool:
    period = periods.of(grant, at)
    key = Key(f"user:{grant.user_id or user_id}", feature, grant.id, "", period.start if period else ALWAYS)
    befores = tuple(key._replace(start=start) for start in _starts_before(grant, period))
    return _shared(Pool(key, grant, period, grant.limit, grant.soft, befores=befores), user_id)


def _starts_before(grant: Grant, period: Window | None) -> Iterator[datetime]:
    """Yield when the periods before began, until what they left unused is as much as may roll over."""
    if grant.rollover_max is None or not grant.limit:
        return
    for _ in range(min(-(-grant.rollover_max // grant.limit), MOST_BEFORE)):
        if period is None or period.start <= grant.starts_at:
            return
        period = periods.of(grant, period.start - TICK)
        if period is not None:
            yield period.start


def _counted(user_id: str, feature: str, grant: Grant) -> Pool:
    key = Key(f"user:{grant.user_id or user_id}", feature, None, "", ALWAYS)
    return _shared(Pool(key, grant, None, grant.limit, grant.soft), user_id)


def _shared(pool: Pool, user_id: str) -> Pool:
    grant = pool.grant
    if grant is None or not grant.user_id or grant.user_id == user_id:
        return pool
    # Counted without a cap too: one may come within the period.
    return replace(pool, share=pool.key._replace(member=user_id), share_cap=grant.member_cap)


def _least(*limits: int | None) -> int | None:
    known: Iterator[int] = (limit for limit in limits if limit is not None)
    return min(known, default=None)
