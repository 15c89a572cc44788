"""Tell once in a period that a share of a limit was reached."""

from __future__ import annotations

import contextlib
from datetime import datetime

from entitlements import counters, draws, facts, pools
from entitlements.draws import Draw
from entitlements.models import UsageThreshold
from entitlements.pools import Tally
from entitlements.usage_errors import UsageRefused
from events import history


def tell(draw: Draw, *, at: datetime) -> None:
    """Write one line of history for each share of the limit that is reached and was not told yet.

    Runs in the transaction of the use, which has the counters locked: of two uses one tells.
    """
    keys = [*pools.keys(draw.pools), *(key for pool in draw.pools for key in pool.instead_of)]
    tallies = counters.read(keys, at=at)
    limit = pools.limit_of(draw.pools, tallies)
    if not limit:
        return
    used = sum(tallies.get(pool.key, Tally()).used for pool in draw.pools)
    for key in (key for pool in draw.pools for key in pool.instead_of):
        used += tallies.get(key, Tally()).used + tallies.get(key, Tally()).reserved
    for percent in draw.warn_at:
        if used * 100 >= percent * limit:
            _tell_once(draw, percent, used, limit, at)


def tell_of(user_id: str, feature_code: str, *, at: datetime, now: datetime) -> None:
    """Do so for what was counted without working out who pays. Nothing is told of what gives no access any more."""
    with contextlib.suppress(UsageRefused):
        tell(draws.of(facts.read(user_id), feature_code, 1, at), at=now)


def _tell_once(draw: Draw, percent: int, used: int, limit: int, at: datetime) -> None:
    own = f"user:{draw.known.user_id}"
    subjects = [pool.key.subject for pool in draw.pools]
    subject = own if own in subjects else subjects[0]
    # Of pools side by side, the one that began last starts a new count for all.
    start = max(pool.key.start for pool in draw.pools)
    end = min((pool.period.end for pool in draw.pools if pool.period), default=None)
    row, new = UsageThreshold.objects.get_or_create(
        subject=subject,
        feature_id=draw.feature_code,
        period_start=start,
        percent=percent,
        defaults={"used": used, "limit": limit, "at": at},
    )
    if new:
        said = {"feature_code": draw.feature_code, "percent": percent, "used": used, "limit": limit}
        period = {"start": start.isoformat(), "end": end.isoformat()} if end else None
        object_ = f"usage_threshold:{row.pk}"
        history.record(
            "usage.threshold_reached", subject=subject, object=object_, at=at, data={**said, "period": period}
        )
