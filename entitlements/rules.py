"""What staff said of a feature beside every grant: which override counts at a moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from entitlements.spans import FAR


@dataclass(frozen=True, slots=True)
class Rule:
    """What a check needs of one override."""

    id: UUID
    effect: str
    value: Any
    limit: int | None
    operation: str
    starts_at: datetime
    ends_at: datetime | None
    created_at: datetime
    removed_at: datetime | None


def in_force(rules: Sequence[Rule], at: datetime) -> list[Rule]:
    """Return those that count at `at`: any deny first, then the newest."""
    now = [rule for rule in rules if counts(rule, at)]
    return sorted(now, key=lambda rule: (rule.effect != "deny", FAR - rule.created_at, str(rule.id)))


def counts(rule: Rule, at: datetime) -> bool:
    """Say whether the rule counts at `at`: within its span, and not removed yet. It says nothing of before it was."""
    end = min(rule.ends_at or FAR, rule.removed_at or FAR)
    return max(rule.starts_at, rule.created_at) <= at < end
