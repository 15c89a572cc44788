"""Which zone a country code stands for, and the multiplier there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from pricing.errors import MalformedCountryCode, ZonesMissing
from pricing.models import Country, Zone

ISO_CODE = re.compile(r"[A-Za-z]{2}")
# A buyer from nowhere pays the list price, so that hiding the country earns nothing.
FALLBACK = Zone.Code.A


@dataclass(frozen=True, slots=True)
class Place:
    """Where a price is asked for. `country` is None when the code is in no zone; `zones` are all zones by code."""

    country_code: str
    country: Country | None
    zones: Mapping[str, Zone]

    @property
    def zone(self) -> Zone:
        """The country's zone, or zone A for a country that is not known (domain rule 2.1)."""
        return self.zones[self.country.zone_id if self.country else FALLBACK]

    @property
    def multiplier(self) -> Decimal:
        """The country's own multiplier, or its zone's."""
        own = self.country.multiplier if self.country else None
        return self.zone.multiplier if own is None else own


def find(country_code: str | None) -> Place:
    """Return the place of an ISO 3166-1 alpha-2 code, in any case; None or "" is nowhere.

    Raises MalformedCountryCode, and ZonesMissing on a database without zones.
    """
    code = normalise(country_code)
    zones = {zone.code: zone for zone in Zone.objects.all()}
    if FALLBACK not in zones:
        raise ZonesMissing
    return Place(code, Country.objects.filter(iso_code=code).first() if code else None, zones)


def normalise(country_code: str | None) -> str:
    """Return the code in upper case, "" for none. Raises MalformedCountryCode."""
    if not country_code:
        return ""
    if not ISO_CODE.fullmatch(country_code):
        raise MalformedCountryCode(country_code)
    return country_code.upper()
