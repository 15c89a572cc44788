from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import jwt
import pytest
from django.conf import LazySettings
from rest_framework.test import APIClient

from events.models import Event
from pricing import plans, zones
from pricing.models import PlanVersion

AT = datetime(2026, 10, 1, 12, tzinfo=UTC)
ZONES = [
    zones.ZoneRow("A", "Premium", Decimal("1.00"), "High income", "> $13,935"),
    zones.ZoneRow("B", "Mid-High", Decimal("0.70"), "Upper middle income", "$4,496 - $13,935"),
    zones.ZoneRow("C", "Mid-Low", Decimal("0.40"), "Lower middle income", "$1,136 - $4,495"),
    zones.ZoneRow("D", "Low-Income", Decimal("0.20"), "Low income", "<= $1,135"),
]
COUNTRIES = [
    zones.CountryRow("US", "United States", "A", None, "High income", "World Bank FY2026"),
    zones.CountryRow("CN", "China", "B", None, "Upper middle income", "World Bank FY2026"),
    zones.CountryRow("IN", "India", "C", None, "Lower middle income", "World Bank FY2026"),
    zones.CountryRow("ET", "Ethiopia", "D", None, "Not classified", "World Bank FY2026", "Named so by policy."),
]


@pytest.fixture
def at() -> datetime:
    return AT


@pytest.fixture
def world(db: None) -> None:
    """The seeds: four zones, every country, features and plans."""


@pytest.fixture
def a_plan(world: None) -> Callable[..., PlanVersion]:
    """Make a plan with one published version; terms as keywords."""
    numbers = itertools.count(1)

    def make(plan_id: str = "", **terms: Any) -> PlanVersion:
        plan = plans.add(plan_id or f"plan-{next(numbers)}", at=AT, name="A plan")
        return another_version(plan, **terms)

    return make


def another_version(plan: Any, **terms: Any) -> PlanVersion:
    """Publish the next version of a plan."""
    said = {"billing_cycle": "one_time", "amount_minor": 2999, **terms}
    version = plans.draft(plan, plans.Terms(**said), at=AT)
    plans.publish(version, AT)
    return version


def history_of(subject: str) -> list[str]:
    """Name what happened to a subject, in order."""
    return list(Event.objects.filter(subject=subject).order_by("sequence").values_list("type", flat=True))


@pytest.fixture
def client_of(settings: LazySettings) -> Callable[..., APIClient]:
    """Make a client of a role; anonymous without one."""
    settings.JWT_SECRET = "a secret for tests, longer than 32 bytes"

    def make(role: str = "", user_id: str = "ann") -> APIClient:
        client = APIClient()
        if role:
            claims = {"sub": user_id, "role": role, "iss": settings.JWT_ISSUER, "aud": settings.JWT_AUDIENCE}
            # Tokens are checked against the wall clock, so they are made by it.
            now = datetime.now(UTC)
            token = jwt.encode(
                {**claims, "iat": now, "exp": now + timedelta(minutes=5)}, settings.JWT_SECRET, settings.JWT_ALGORITHM
            )
            client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
        return client

    return make
