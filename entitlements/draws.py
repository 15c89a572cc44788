"""What a use takes from which pools: worked out from facts here, made true by one statement in the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection
from psycopg.types.json import Jsonb

from entitlements import access, counters, facts, meters
from entitlements.facts import Facts
from entitlements.meters import NO_TALLIES
from entitlements.pools import Key, Pool
from entitlements.rules import in_force
from entitlements.spans import barred
from entitlements.usage_errors import NotMetered, UnitsWrong, UsageRefused
from pricing.models import Feature

# Of a key that counts what others took of the first pool's limit.
TAKEN = -1
DRAW = """
    SELECT said, earlier, earlier_hash, over, crossed, paid, parts, recorded FROM entitlements_draw(
        %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s,
        %s::text[], %s::uuid[], %s::text[], %s::timestamptz[], %s::timestamptz[], %s::bigint[], %s::boolean[],
        %s::timestamptz[], %s::bigint[], %s::int[], %s, %s, %s::int[], %s, %s)
"""
# Makes the counters of periods in which nothing was used: what they left rolls over from one to the next.
ROLL_ON = "SELECT entitlements_roll_on(%s, %s, %s, %s::timestamptz[], %s, %s)"


@dataclass(frozen=True, slots=True)
class Draw:
    """The pools that pay for `units` of a feature, in their order, by what is known of the user.

    `let_through`: staff allow it whatever the limit; `warn_at` are the shares of the limit that are told.
    """

    known: Facts
    feature_code: str
    units: int
    at: datetime
    pools: tuple[Pool, ...]
    let_through: bool
    warn_at: tuple[int, ...]
    # From when on others may pay; None: never by itself.
    until: datetime | None = None


class Written(NamedTuple):
    """Under what a draw is written down; `until` is the end of a reservation, None for a use."""

    id: UUID
    principal: str
    key: str | None
    request_hash: str
    now: datetime
    until: datetime | None
    metadata: Mapping[str, Any]


class Taken(NamedTuple):
    """What became of it: drawn, replayed, refused, below (zero), stale (facts), or telling (a threshold comes)."""

    said: str
    earlier: UUID | None = None
    earlier_hash: str | None = None
    overage: int = 0
    crossed: bool | None = False
    counters: Sequence[UUID] | None = None
    shares: Sequence[int] | None = None
    recorded_at: datetime | None = None


def of(known: Facts, feature_code: str, units: int, at: datetime) -> Draw:
    """Work out what pays. Raises UsageRefused where a check answers no, NotMetered, UnitsWrong."""
    state = access.answers([access.Question(known, feature_code, 0)], at=at, counting=lambda _: NO_TALLIES)[0]
    if state.kind not in (None, Feature.Kind.METERED):
        raise NotMetered(feature_code, str(state.kind))
    if not state.allowed:
        raise UsageRefused(state, units)
    feature = facts.features(known.catalog)[feature_code]
    if units == 0 or (units < 0 and feature.consumable):
        raise UnitsWrong(units)
    grants = [grant for grant in known.grants.get(feature_code, ()) if barred(grant, at) is None]
    rule = next(iter(in_force(known.rules.get(feature_code, ()), at)), None)
    tallies = NO_TALLIES
    if known.rules.get(feature_code):
        tallies = counters.read(access.keys(access.Question(known, feature_code), at), at=at)
    found = meters.payers(known.user_id, feature, grants, rule, at=at, tallies=tallies)
    # What has no end pays before all others, as a check says.
    found.sort(key=lambda pool: pool.limit is not None)
    warn_at = sorted({percent for pool in found if pool.grant for percent in pool.grant.warn_at})
    allowed = rule is not None and rule.effect == "allow"
    return Draw(known, feature_code, units, at, tuple(found), allowed, tuple(warn_at), state.changes_at)


def take(draw: Draw, written: Written, *, telling: bool) -> Taken:
    """Draw the units, all or none, and write down the use or the reservation: one statement.

    Without `telling` nothing is drawn that reaches a threshold: that takes a transaction, for its line of history.
    """
    with connection.cursor() as cursor:
        for pool in draw.pools:
            if len(pool.befores) > 1:
                cursor.execute(ROLL_ON, _rolling(pool))
        cursor.execute(DRAW, values(draw, written, telling=telling))
        return Taken(*cursor.fetchone())


def values(draw: Draw, written: Written, *, telling: bool) -> list[Any]:
    """Return the values of DRAW."""
    return [
        *(written.id, written.principal, written.key, written.request_hash),
        *(draw.known.user_id, draw.feature_code, draw.units),
        *(draw.at, written.now, written.until, Jsonb(dict(written.metadata))),
        *(list(column) for column in zip(*entries(draw.pools), strict=True)),
        *(len(draw.pools), draw.let_through, list(draw.warn_at), telling, draw.known.version),
    ]


def entries(drawn: Sequence[Pool]) -> list[tuple[Any, ...]]:
    """Return a row for each counter: the pools, then the member's shares of them, then what others took."""
    shared = [pool for pool in drawn if pool.share]
    places = {pool.key: len(drawn) + 1 + index for index, pool in enumerate(shared)}
    return [
        *(_entry(pool.key, pool, _size(pool), places.get(pool.key, 0)) for pool in drawn),
        *(_entry(pool.share, pool, pool.share_cap, 0) for pool in shared if pool.share),
        *(_entry(key, None, None, TAKEN) for pool in drawn for key in pool.instead_of),
    ]


def _rolling(pool: Pool) -> list[Any]:
    starts = [key.start for key in (*reversed(pool.befores), pool.key)]
    return [
        pool.key.feature,
        pool.key.subject,
        pool.key.pool,
        starts,
        pool.limit,
        pool.grant and pool.grant.rollover_max,
    ]


def _size(pool: Pool) -> int | None:
    # What is spent of a pool whose takers are locked with it is subtracted then.
    return pool.limit if pool.limit is None or pool.instead_of else pool.limit - pool.spent


def _entry(key: Key, pool: Pool | None, size: int | None, place: int) -> tuple[Any, ...]:
    end = pool.period.end if pool and pool.period else None
    soft = pool is not None and pool.soft
    whole = pool is not None and not key.member and pool.grant is not None
    rolls = pool.grant.rollover_max if whole and pool and pool.grant else None
    before = pool.befores[0].start if whole and pool and pool.befores else None
    return key.subject, key.pool, key.member, key.start, end, size, soft, before, rolls, place
