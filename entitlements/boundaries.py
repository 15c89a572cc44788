"""When an answer may become another one though nothing is written: the next date of what it was worked out from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from entitlements import periods
from entitlements.rules import Rule
from entitlements.spans import Grant, barred
from pricing.models import Feature


def following(feature: Feature, grants: Sequence[Grant], rules: Sequence[Rule], at: datetime) -> datetime | None:
    """Return the first moment after `at` at which the answer may differ; None when it never does by itself."""
    return min((moment for moment in _moments(feature, grants, rules, at) if moment and moment > at), default=None)


def _moments(
    feature: Feature, grants: Sequence[Grant], rules: Sequence[Rule], at: datetime
) -> Iterator[datetime | None]:
    yield feature.archived_at
    for rule in rules:
        yield from (rule.starts_at, rule.ends_at, rule.created_at, rule.removed_at)
    for grant in grants:
        yield from (grant.starts_at, grant.ends_at, grant.grace_until)
        # Every other status writes down what the dates say.
        yield grant.status_at if grant.status in ("revoked", "suspended") else None
        # A new period empties the counters, and reorders the pools.
        if feature.kind == Feature.Kind.METERED and barred(grant, at) is None:
            period = periods.of(grant, at)
            yield period.end if period else None
