"""The `usage_limits` JSON of the services before (requirements.md, PL-01, US-03), read into what a version includes.

`{"api_calls": {"limit": 1000, "period": "month", "soft": true}}`; a bare number or null stands for `{"limit": ...}`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from pricing.errors import UsageLimitsWrong
from pricing.inclusions import Inclusion, wrong_meter
from pricing.models import Feature, PlanFeature


class Metered(Protocol):
    """What has a limit: a plan's inclusion or a grant."""

    limit: int | None
    soft: bool
    anchor: str
    time_zone: str
    rollover_max: int | None
    member_cap: int | None
    priority: int
    warn_at: Any

    @property
    def period(self) -> str | None:
        """In which period the limit counts."""


# The words of 001 and of the peers, and ours for them.
WORDS = {
    "limit": "limit",
    "period": "period",
    "soft": "soft",
    "anchor": "anchor",
    "time_zone": "time_zone",
    "warn_at": "warn_at",
    "rollover_max": "rollover_max",
    "per_member_cap": "member_cap",
    "member_cap": "member_cap",
    "priority": "priority",
}
NUMBERS = ("limit", "rollover_max", "member_cap")
LARGEST = 2**63 - 1


def compiled(limits: object, known: Mapping[str, Feature] | None = None) -> tuple[Inclusion, ...]:
    """Return what the JSON includes, by feature code. Raises UsageLimitsWrong, which names the place.

    `known` are the features, those of the database when left out.
    """
    if not isinstance(limits, dict):
        raise UsageLimitsWrong("it must be an object of feature codes")
    features = Feature.objects.in_bulk(list(limits)) if known is None else known
    return tuple(_inclusion(code, limits[code], features.get(code)) for code in sorted(limits))


def shown(included: Metered) -> dict[str, Any]:
    """Say a metered feature's limit in the same words: what is as usual is left out, but limit, period and soft."""
    plain = Inclusion("")
    more = {name: getattr(included, name) for name in ("anchor", "time_zone", "rollover_max", "member_cap", "priority")}
    said = {"limit": included.limit, "period": included.period, "soft": included.soft}
    said |= {name: value for name, value in more.items() if value != getattr(plain, name)}
    return said if tuple(included.warn_at) == plain.warn_at else {**said, "warn_at": list(included.warn_at)}


def _inclusion(code: str, said: object, feature: Feature | None) -> Inclusion:
    if feature is None:
        raise UsageLimitsWrong("there is no such feature", code)
    if feature.kind != Feature.Kind.METERED:
        raise UsageLimitsWrong(f"it is {feature.kind}, and only a metered feature has a limit", code)
    words = {"limit": said} if said is None or isinstance(said, int) else said
    if not isinstance(words, dict):
        raise UsageLimitsWrong("say a number, null for unlimited, or an object with limit and period", code)
    for place, wrong in _wrong(words):
        raise UsageLimitsWrong(wrong, code, place)
    named = {WORDS[word]: value for word, value in words.items()}
    period = named.pop("period", None) or ("month" if feature.consumable else "never")
    included = Inclusion(code, period=period, **named)
    for place, wrong in wrong_meter(included, feature):
        raise UsageLimitsWrong(wrong, code, place)
    return included


def _wrong(words: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if strangers := words.keys() - WORDS.keys():
        yield sorted(strangers)[0], f"this word is not known: {', '.join(sorted(WORDS))} are"
    if {"member_cap", "per_member_cap"} <= words.keys():
        yield "per_member_cap", "it is another word for member_cap: say one of them"
    if "limit" not in words:
        yield "limit", "it is missing: say a number, or null for unlimited"
    for word, value in words.items():
        name, said = WORDS[word], json.dumps(value, ensure_ascii=False)
        whole = isinstance(value, int) and not isinstance(value, bool)
        if name in NUMBERS and value is not None and not (whole and 0 <= value <= LARGEST):
            yield word, f"it must be a whole number from 0 or null, not {said}"
        if name == "priority" and not (whole and -100 <= value <= 100):
            yield word, f"it must be a whole number from -100 to 100, not {said}"
        if name == "soft" and not isinstance(value, bool):
            yield word, f"it must be true or false, not {said}"
        if name == "period" and value is not None and value not in PlanFeature.Period.values:
            yield word, f"it must be one of {', '.join(PlanFeature.Period.values)}, not {said}"
        if name == "anchor" and value not in PlanFeature.Anchor.values:
            yield word, f"it must be one of {', '.join(PlanFeature.Anchor.values)}, not {said}"
        if name == "time_zone" and not isinstance(value, str):
            yield word, f"it must be the name of a time zone, not {said}"
        if name == "warn_at" and not (isinstance(value, list) and all(type(each) is int for each in value)):
            yield word, f"it must be a list of percentages, not {said}"
