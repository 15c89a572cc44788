"""The seed, reviewed like code: zones.toml and plans.toml, read into what zones, features and plans should be."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from pricing import usage_limits
from pricing.features import FeatureRow
from pricing.inclusions import Inclusion
from pricing.models import Feature
from pricing.plans import TERMS_FIELDS, Terms
from pricing.zones import CountryRow, ZoneRow

FOLDER = Path(__file__).parent
ZONES = FOLDER / "zones.toml"
PLANS = FOLDER / "plans.toml"
PLAN_FIELDS = ("name", "description", "product_line", "active", "metadata")


@dataclass(frozen=True, slots=True)
class PlanRow:
    """What a plan should be: what is said of it, and the terms it should be sold on."""

    id: str
    said: Mapping[str, Any]
    terms: Terms


def zones(file: Path = ZONES) -> tuple[list[ZoneRow], list[CountryRow]]:
    """Read zones and countries. A country stands in the zone of its World Bank class unless an override names another.

    Raises ValueError when a country is named twice, has no zone, or an override names no country.
    """
    read = tomllib.loads(file.read_text(encoding="utf-8"))
    zone_rows = [
        ZoneRow(code, **{**said, "multiplier": Decimal(said["multiplier"])}) for code, said in read["zones"].items()
    ]
    zone_of = {row.world_bank_classification: row.code for row in zone_rows}
    overrides: dict[str, dict[str, str]] = read["overrides"]
    countries: dict[str, CountryRow] = {}
    for group, names in read["countries"].items():
        for code, name in names.items():
            zone = overrides.get(code, {}).get("zone") or zone_of.get(group)
            if zone is None or code in countries:
                raise ValueError(f"{file.name}: {code} has no zone, or stands there twice")
            reason = overrides.get(code, {}).get("reason", "")
            countries[code] = CountryRow(code, name, zone, None, group, read["dataset"], reason)
    if strangers := overrides.keys() - countries.keys():
        raise ValueError(f"{file.name}: overrides of unknown countries: {', '.join(sorted(strangers))}")
    return zone_rows, [countries[code] for code in sorted(countries)]


def plans(file: Path = PLANS) -> tuple[list[FeatureRow], list[PlanRow]]:
    """Read features and plans. Raises TypeError on a word that neither has, and UsageLimitsWrong."""
    read = tomllib.loads(file.read_text(encoding="utf-8"))
    features = [FeatureRow(code, **said) for code, said in read["features"].items()]
    known = {row.code: Feature(**asdict(row)) for row in features}
    return features, [_plan(plan_id, said, known) for plan_id, said in read["plans"].items()]


def _plan(plan_id: str, said: dict[str, Any], known: Mapping[str, Feature]) -> PlanRow:
    if strangers := said.keys() - {*TERMS_FIELDS, *PLAN_FIELDS, "features", "usage_limits"}:
        raise TypeError(f"plan {plan_id}: unknown words: {', '.join(sorted(strangers))}")
    named, limits = said.get("features", {}), said.get("usage_limits", {})
    if twice := named.keys() & limits.keys():
        raise TypeError(f"plan {plan_id}: in features and in usage_limits: {', '.join(sorted(twice))}")
    included = [*(Inclusion(code, **named[code]) for code in named), *usage_limits.compiled(limits, known)]
    included.sort(key=lambda inclusion: inclusion.feature)
    terms = Terms(**{name: said[name] for name in TERMS_FIELDS if name in said}, features=tuple(included))
    return PlanRow(plan_id, {name: said[name] for name in PLAN_FIELDS if name in said}, terms)
