"""The verbs of zones and countries. Every change writes history in its own transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from events import history
from pricing import overrides
from pricing.constraints import MAX_MULTIPLIER
from pricing.errors import CountryNotFound, CountryTwice, MultiplierOutOfRange, UnknownZone, ZonesOutOfOrder
from pricing.models import Country, Quote, Zone

ZONE_FIELDS = ("name", "multiplier", "world_bank_classification", "gni_per_capita_threshold")
COUNTRY_FIELDS = ("name", "zone_id", "multiplier", "world_bank_classification", "dataset", "reason")
Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ZoneRow:
    """What a zone should be."""

    code: str
    name: str
    multiplier: Decimal
    world_bank_classification: str = ""
    gni_per_capita_threshold: str = ""


@dataclass(frozen=True, slots=True)
class CountryRow:
    """What a country should be. `multiplier` None takes its zone's."""

    iso_code: str
    name: str
    zone_id: str
    multiplier: Decimal | None = None
    world_bank_classification: str = ""
    dataset: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """How a row stands to what it should be."""

    key: str
    before: Values | None
    after: Values

    @property
    def kind(self) -> str:
        """Say added, changed or unchanged."""
        if self.before is None:
            return "added"
        return "unchanged" if self.before == self.after else "changed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a bulk upsert did, or would do. `open_quotes` of these countries are still good, at the price they say."""

    differences: tuple[Difference, ...]
    open_quotes: int

    def keys(self, kind: str) -> list[str]:
        """Return the ISO codes that were added, changed or unchanged."""
        return [difference.key for difference in self.differences if difference.kind == kind]

    @property
    def changes(self) -> list[Difference]:
        """Return what differs, before and after."""
        return [difference for difference in self.differences if difference.kind != "unchanged"]


def compare_zones(rows: Sequence[ZoneRow]) -> list[Difference]:
    """Say how the zones stand to `rows`. Raises MultiplierOutOfRange and ZonesOutOfOrder."""
    zones = {zone.code: zone for zone in Zone.objects.all()}
    multipliers = {code: zone.multiplier for code, zone in zones.items()}
    multipliers |= {row.code: _in_range(row.multiplier) for row in rows}
    ordered = [multipliers[code] for code in sorted(multipliers)]
    if any(left < right for left, right in pairwise(ordered)):
        raise ZonesOutOfOrder(", ".join(f"{code} {multipliers[code]}" for code in sorted(multipliers)))
    return [Difference(row.code, _values(zones.get(row.code), ZONE_FIELDS), _wanted(row, ZONE_FIELDS)) for row in rows]


@transaction.atomic
def upsert_zones(rows: Sequence[ZoneRow], *, at: datetime) -> list[Difference]:
    """Add or change zones. May be repeated. Raises MultiplierOutOfRange and ZonesOutOfOrder."""
    stand_in_line()
    differences = compare_zones(rows)
    for difference in differences:
        if difference.kind == "added":
            Zone.objects.create(code=difference.key, **difference.after)
        elif difference.kind == "changed":
            Zone.objects.filter(code=difference.key).update(**difference.after, updated_at=Now())
        _record("zone", "updated" if difference.before else "added", difference, at)
    return differences


def compare_countries(rows: Sequence[CountryRow]) -> list[Difference]:
    """Say how the countries stand to `rows`. Raises CountryTwice, UnknownZone and MultiplierOutOfRange."""
    twice = [code for code, times in Counter(row.iso_code for row in rows).items() if times > 1]
    if twice:
        raise CountryTwice(twice[0])
    zones = set(Zone.objects.values_list("code", flat=True))
    for row in rows:
        if row.zone_id not in zones:
            raise UnknownZone(row.zone_id)
        if row.multiplier is not None:
            _in_range(row.multiplier)
    found = {
        country.iso_code: country for country in Country.objects.filter(iso_code__in=[row.iso_code for row in rows])
    }
    return [
        Difference(row.iso_code, _values(found.get(row.iso_code), COUNTRY_FIELDS), _wanted(row, COUNTRY_FIELDS))
        for row in rows
    ]


@transaction.atomic
def bulk_upsert(rows: Sequence[CountryRow], *, dry_run: bool = False, at: datetime) -> Outcome:
    """Add or change countries, all or none; `dry_run` only says what would happen. May be repeated.

    Running subscriptions and open quotes keep their price. Raises CountryTwice, UnknownZone and MultiplierOutOfRange.
    """
    stand_in_line()
    differences = compare_countries(rows)
    changes = [difference for difference in differences if difference.kind != "unchanged"]
    if not dry_run:
        for difference in changes:
            _write_country(difference, at)
    quotes = Quote.objects.filter(country_code__in=[difference.key for difference in changes], expires_at__gt=at)
    return Outcome(tuple(differences), quotes.count())


def upsert_said(said: Sequence[Mapping[str, Any]], *, dry_run: bool = False, at: datetime) -> Outcome:
    """Bulk upsert by fields of CountryRow; what is left out stays as it is. A zone's own multiplier is none of its own.

    May be repeated. Raises what `bulk_upsert` raises.
    """
    with transaction.atomic():
        stand_in_line()
        return bulk_upsert(_complete(said), dry_run=dry_run, at=at)


def upsert(row: CountryRow, *, at: datetime) -> Difference:
    """Add or change one country. May be repeated. Raises UnknownZone and MultiplierOutOfRange."""
    return bulk_upsert([row], at=at).differences[0]


@transaction.atomic
def remove(iso_code: str, *, at: datetime) -> None:
    """Take a country out of its zone, and the prices set for it: it is unknown now and pays as zone A.

    Raises CountryNotFound.
    """
    stand_in_line()
    country = Country.objects.filter(iso_code=iso_code).first()
    if country is None:
        raise CountryNotFound(iso_code)
    before = _values(country, COUNTRY_FIELDS)
    for override in country.overrides.all():
        overrides.remove(override, at=at)
    country.delete()
    history.record(
        "country.removed",
        subject=f"country:{iso_code}",
        object=f"country:{iso_code}",
        at=at,
        data={"before": _plain(before), "after": None},
    )


def stand_in_line() -> None:
    """Wait for every other writer of zones, until the end of the transaction."""
    # One writer of zones at a time: the order of multipliers is a rule over all rows, which no constraint can hold.
    list(Zone.objects.select_for_update(no_key=True).order_by("code"))


def _complete(said: Sequence[Mapping[str, Any]]) -> list[CountryRow]:
    found = {row.iso_code: row for row in Country.objects.filter(iso_code__in=[one["iso_code"] for one in said])}
    multipliers = dict(Zone.objects.values_list("code", "multiplier"))
    rows = []
    for one in said:
        full = {**(_values(found.get(one["iso_code"]), COUNTRY_FIELDS) or {}), **one}
        if full.get("multiplier") == multipliers.get(full["zone_id"]):
            full["multiplier"] = None
        rows.append(CountryRow(**full))
    return rows


def _write_country(difference: Difference, at: datetime) -> None:
    if difference.before is None:
        Country.objects.create(iso_code=difference.key, **difference.after)
    else:
        Country.objects.filter(iso_code=difference.key).update(**difference.after, updated_at=Now())
    _record("country", difference.kind, difference, at)


def _record(subject: str, verb: str, difference: Difference, at: datetime) -> None:
    if difference.kind == "unchanged":
        return
    name = f"{subject}:{difference.key}"
    data = {"before": _plain(difference.before), "after": _plain(difference.after)}
    history.record(f"{subject}.{verb}", subject=name, object=name, at=at, data=data)


def _values(row: Zone | Country | None, names: Iterable[str]) -> Values | None:
    return None if row is None else {name: getattr(row, name) for name in names}


def _wanted(row: ZoneRow | CountryRow, names: Iterable[str]) -> Values:
    return {name: getattr(row, name) for name in names}


def _plain(values: Mapping[str, Any] | None) -> Values | None:
    if values is None:
        return None
    return {name: str(value) if isinstance(value, Decimal) else value for name, value in values.items()}


def _in_range(multiplier: Decimal) -> Decimal:
    if not 0 < multiplier <= MAX_MULTIPLIER:
        raise MultiplierOutOfRange(multiplier)
    return multiplier
