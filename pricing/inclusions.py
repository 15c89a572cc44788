"""What a version says of one feature, and whether that fits the feature's kind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any
from zoneinfo import available_timezones

from pricing.errors import InclusionMismatch
from pricing.models import METERING, Feature

# What a row of PlanFeature holds beside its version and feature.
COLUMNS = ("limit", "period", "soft", "value", *METERING)
WANTED = {
    "number": "a number",
    "text": "a text",
    "list": "a list of texts and whole numbers",
    "enum": "one of its choices",
}
MOST_WARNINGS, MOST_PERCENT = 10, 1000


@dataclass(frozen=True, slots=True)
class Inclusion:
    """One feature of a version: `limit` per `period` when metered (None is unlimited), `value` when static."""

    feature: str
    limit: int | None = None
    period: str | None = None
    soft: bool = False
    value: Any = None
    anchor: str = "billing"
    time_zone: str = "UTC"
    warn_at: tuple[int, ...] = (80, 100)
    rollover_max: int | None = None
    member_cap: int | None = None
    priority: int = 0

    def __post_init__(self) -> None:
        # As read from a file or a column it is a list, which equals no tuple.
        object.__setattr__(self, "warn_at", tuple(self.warn_at))

    @property
    def meters(self) -> list[str]:
        """The terms of a meter that are not as where there is none."""
        plain = Inclusion(self.feature)
        return [name for name in METERING if getattr(self, name) != getattr(plain, name)]


def require_fitting(included: Inclusion, feature: Feature | None) -> None:
    """Raise InclusionMismatch when a feature of this kind cannot be included so."""
    if feature is None:
        raise InclusionMismatch(included.feature, "unknown", "add the feature first")
    for wrong in misfits(included, feature):
        raise InclusionMismatch(feature.code, feature.kind, wrong)


def misfits(included: Inclusion, feature: Feature) -> Iterator[str]:
    """Say why a feature of this kind cannot be included so."""
    metered, static = feature.kind == Feature.Kind.METERED, feature.kind == Feature.Kind.STATIC
    if metered and not included.period:
        yield "it needs a period"
    if not metered and (included.limit is not None or included.period):
        yield "only a metered feature has a limit and a period"
    if not static and included.value is not None:
        yield "a value belongs to a static feature, and to no other"
    if static:
        yield from wrong_value(included.value, feature)
    if not metered and included.meters:
        yield f"only a metered feature has {included.meters[0]}"
    if metered:
        yield from (wrong for _, wrong in wrong_meter(included, feature))


def wrong_value(value: Any, feature: Feature) -> Iterator[str]:
    """Say why a value is none of the feature's: of another type, or not among its choices."""
    match feature.value_type:
        case Feature.ValueType.NUMBER:
            fits = isinstance(value, int | float) and not isinstance(value, bool)
        case Feature.ValueType.LIST:
            fits = isinstance(value, list) and all(type(item) in (str, int) for item in value)
        case Feature.ValueType.ENUM:
            fits = value in feature.choices
        case _:
            fits = isinstance(value, str)
    if not fits:
        wanted = f"one of {', '.join(feature.choices)}" if feature.choices else WANTED[feature.value_type]
        yield f"its value must be {wanted}, not {json.dumps(value, ensure_ascii=False)}"


def wrong_meter(included: Inclusion, feature: Feature) -> Iterator[tuple[str, str]]:
    """Say which term of a meter is wrong, and why."""
    if not feature.consumable and included.period != "never":
        yield "period", "what is only counted never starts anew: its period is never"
    if included.time_zone not in _zones():
        yield "time_zone", f"there is no time zone {included.time_zone!r}"
    if included.time_zone != "UTC" and included.anchor != "calendar":
        yield "time_zone", "a time zone goes with the anchor calendar"
    if included.rollover_max is not None and (not feature.consumable or included.period == "never"):
        yield "rollover_max", "only what is used up and starts anew can roll over"
    if included.rollover_max is not None and included.limit is None:
        yield "rollover_max", "of what has no limit nothing is left to roll over"
    warned = included.warn_at
    if len(warned) > MOST_WARNINGS or list(warned) != sorted({each for each in warned if 0 < each <= MOST_PERCENT}):
        yield "warn_at", f"warn_at must be rising percentages from 1 to {MOST_PERCENT}, at most {MOST_WARNINGS}"


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())
