"""Random grants, overrides and moments, without a database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID
from zlib import crc32

from hypothesis import strategies as st

from entitlements.facts import Facts
from entitlements.pools import Key, Tallies, Tally
from entitlements.rules import Rule
from pricing.models import Feature
from tests.entitlements.conftest import DAY, T0, a_grant

FEATURES = [
    Feature(code="pdf", kind="boolean"),
    Feature(code="pdf", kind="boolean", archived_at=T0 + 7 * DAY),
    Feature(code="help", kind="static", merge="max"),
    Feature(code="help", kind="static", merge="union"),
    Feature(code="calls", kind="metered", consumable=True),
    Feature(code="disk", kind="metered", consumable=False),
]
# Coarse, so that dates meet; some to the microsecond.
STEPS = st.integers(-3, 45).map(lambda days: days * DAY) | st.timedeltas(timedelta(days=-3), timedelta(days=45))
MOMENTS = STEPS.map(lambda step: T0 + step)
FAMILY = UUID(int=7)
IDS = st.integers(1, 10**6).map(lambda number: UUID(int=number))
STATUSES = [
    ("active", ""),
    ("active", ""),
    ("suspended", "past_due"),
    ("revoked", "refund"),
    ("expired", ""),
    ("canceled", ""),
]


def used(keys: Sequence[Key]) -> Tallies:
    """Say of each counter something that depends on its key alone."""
    return {key: Tally(crc32(repr(key).encode()) % 5, crc32(repr(key).encode()) % 2) for key in keys}


def facts_of(feature: Feature) -> st.SearchStrategy[Facts]:
    """Give anything that may be known of ann and the feature."""
    some = st.lists(grants_of(feature), max_size=4, unique_by=lambda grant: grant.id)
    rules = st.lists(rules_of(feature), max_size=2, unique_by=lambda rule: rule.id)
    code = feature.code
    return st.builds(
        lambda found, said: Facts("ann", 1, 1, FAMILY, {code: tuple(found)}, {code: tuple(said)}), some, rules
    )


def grants_of(feature: Feature) -> st.SearchStrategy[Any]:
    """Give any grant of the feature."""
    return st.builds(
        _grant, st.just(feature), st.randoms(use_true_random=False), IDS, MOMENTS, MOMENTS, MOMENTS, MOMENTS
    )


def _grant(feature: Feature, random: Any, id: UUID, moved: Any, start: Any, one: Any, two: Any) -> Any:
    status, reason = random.choice(STATUSES)
    starts, ends, grace = sorted((start, one, two))
    said: dict[str, Any] = {"id": id, "status": status, "reason": reason, "status_at": moved, "starts_at": starts}
    said |= random.choice([{"ends_at": None}, {"ends_at": ends}, {"ends_at": ends, "grace_until": grace}])
    said |= {"source_type": random.choice(["subscription", "trial", "promotion"]), "priority": random.choice([0, 0, 1])}
    said |= random.choice([{}, {"user_id": "ann"}, {"user_id": "eve", "family_id": FAMILY, "member_cap": 3}])
    if feature.kind == "static":
        said["value"] = random.choice(["a", "b", 3])
    if feature.kind == "metered":
        said |= {"limit": random.choice([None, 0, 2, 5]), "period": random.choice(["day", "week", "month", "never"])}
        said |= random.choice([{}, {"anchor": "calendar", "time_zone": random.choice(["UTC", "Asia/Tokyo"])}])
        said |= random.choice([{}, {"soft": True}, {"rollover_max": 2}])
    return a_grant(**said)


def rules_of(feature: Feature) -> st.SearchStrategy[Rule]:
    """Give any override of the feature."""
    return st.builds(_rule, st.just(feature), st.randoms(use_true_random=False), IDS, MOMENTS, MOMENTS, MOMENTS)


def _rule(feature: Feature, random: Any, id: UUID, start: Any, end: Any, other: Any) -> Rule:
    metered = feature.kind == "metered"
    starts, ends = sorted((start, end + timedelta(microseconds=1)))
    return Rule(
        id=id,
        effect=random.choice(["allow", "deny", *(["value"] if feature.kind != "boolean" else [])]),
        value=None if metered else "z",
        limit=random.choice([None, 1, 4]) if metered else None,
        operation=random.choice(["set", "add", "max"]),
        starts_at=starts,
        ends_at=random.choice([None, ends]),
        created_at=other,
        removed_at=random.choice([None, None, other]),
    )
