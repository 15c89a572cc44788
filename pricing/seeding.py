"""Bring the catalog's files into the database: repeatable, and never over what staff changed since."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from events import context
from events.models import Event
from pricing import catalog, features, plans, zones
from pricing.errors import FeatureInUse
from pricing.models import Feature, Plan

ZoneCatalog = tuple[list[zones.ZoneRow], list[zones.CountryRow]]
PlanCatalog = tuple[list[features.FeatureRow], list[catalog.PlanRow]]

ACTOR = "seed"
# The events that change what a file says. A sale, recorded under the plan too, is none.
VERBS = ("added", "changed", "updated", "removed", "renamed", "revised", "published", "archived")


@dataclass(frozen=True, slots=True)
class Line:
    """What the seed did with one row, or would do: added, changed, unchanged, or kept as staff, or its use, left it."""

    what: str
    key: str
    kind: str
    detail: str = ""


def seed_zones(
    rows: tuple[list[zones.ZoneRow], list[zones.CountryRow]], *, dry_run: bool, force: bool, at: datetime
) -> list[Line]:
    """Seed zones, then countries. May be repeated. `force` takes back what staff changed."""
    zone_rows, country_rows = rows
    with transaction.atomic(), context.acting(ACTOR):
        zone_differences = zones.compare_zones(zone_rows)
        kept = set() if force else _touched_by_staff("zone", [row.code for row in zone_rows])
        lines = [_line("zone", difference, kept) for difference in zone_differences]
        # The countries are compared with zones in place, so a dry run on an empty database makes them and undoes it.
        zones.upsert_zones([row for row in zone_rows if _wanted(lines, row.code)], at=at)
        country_lines = _countries(country_rows, force=force, at=at)
        transaction.set_rollback(dry_run)
    return lines + country_lines


def _countries(rows: list[zones.CountryRow], *, force: bool, at: datetime) -> list[Line]:
    kept = set() if force else _touched_by_staff("country", [row.iso_code for row in rows])
    lines = [_line("country", difference, kept) for difference in zones.compare_countries(rows)]
    zones.bulk_upsert([row for row in rows if _wanted(lines, row.iso_code)], at=at)
    return lines


def seed_plans(rows: PlanCatalog, *, dry_run: bool, force: bool, at: datetime) -> list[Line]:
    """Seed features, then plans; other terms make a new version. May be repeated. `force` as in `seed_zones`."""
    feature_rows, plan_rows = rows
    with transaction.atomic(), context.acting(ACTOR):
        lines = [*_features(feature_rows, force=force, at=at), *_plans(plan_rows, force=force, at=at)]
        transaction.set_rollback(dry_run)
    return lines


def _features(rows: list[features.FeatureRow], *, force: bool, at: datetime) -> list[Line]:
    found = Feature.objects.in_bulk([row.code for row in rows])
    kept = set() if force else _touched_by_staff("feature", [row.code for row in rows])
    lines = []
    for row in rows:
        before = features.values_of(found[row.code]) if row.code in found else None
        line = _line("feature", zones.Difference(row.code, before, features.values_of(row)), kept)
        if line.kind in ("added", "changed"):
            line = _write_feature(row, line, at)
        lines.append(line)
    return lines


def _write_feature(row: features.FeatureRow, line: Line, at: datetime) -> Line:
    try:
        features.upsert(row, at=at)
    except FeatureInUse as refused:
        return Line(line.what, line.key, "kept", f"in use: {', '.join(refused.names)} cannot change any more")
    return line


def _plans(rows: list[catalog.PlanRow], *, force: bool, at: datetime) -> list[Line]:
    found = Plan.objects.prefetch_related("versions__features").in_bulk([row.id for row in rows])
    kept = set() if force else _touched_by_staff("plan", [row.id for row in rows])
    lines = []
    for row in rows:
        difference = zones.Difference(
            row.id, _plan_values(found.get(row.id), row.said), {**row.said, "terms": row.terms}
        )
        line = _line("plan", difference, kept)
        if line.kind in ("added", "changed"):
            _write_plan(row, found.get(row.id), at)
        lines.append(line)
    return lines


def _plan_values(plan: Plan | None, said: Mapping[str, Any]) -> dict[str, Any] | None:
    if plan is None:
        return None
    current = plan.current
    return {**{name: getattr(plan, name) for name in said}, "terms": plans.terms_of(current) if current else None}


def _write_plan(row: catalog.PlanRow, plan: Plan | None, at: datetime) -> None:
    if plan is None:
        plan = plans.add(row.id, at=at, **row.said)
    else:
        plans.change(plan, at=at, **row.said)
    current = plan.current
    if current is None or plans.terms_of(current) != row.terms:
        plans.publish(plans.draft(plan, row.terms, at=at), at)


def _touched_by_staff(what: str, keys: Collection[str]) -> set[str]:
    """Return the keys whose newest change is not the seed's. A row that staff removed counts too."""
    newest = (
        Event.objects.filter(
            subject__in=[f"{what}:{key}" for key in keys], type__in=[f"{what}.{verb}" for verb in VERBS]
        )
        .order_by("subject", "-sequence")
        .distinct("subject")
        .values_list("subject", "actor")
    )
    return {subject.removeprefix(f"{what}:") for subject, actor in newest if actor != ACTOR}


def _line(what: str, difference: zones.Difference, kept: set[str]) -> Line:
    kind, before, after = difference.kind, difference.before, difference.after
    if kind != "unchanged" and difference.key in kept:
        kind = "kept"
    if before is None:
        return Line(what, difference.key, kind, "removed by staff" if kind == "kept" else "")
    differing = [name for name in after if before[name] != after[name]]
    return Line(what, difference.key, kind, ", ".join(_told(name, before, after) for name in differing))


def _told(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    if name == "terms":
        return "terms: a new version"
    return f"{name.removesuffix('_id')}: {before[name]} -> {after[name]}"


def _wanted(lines: list[Line], key: str) -> bool:
    return any(line.key == key and line.kind in ("added", "changed") for line in lines)
