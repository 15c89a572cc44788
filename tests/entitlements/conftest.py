from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import jwt
import pytest
from django.conf import LazySettings
from rest_framework.test import APIClient

from entitlements.grants import Source
from entitlements.models import SourceType
from entitlements.spans import Grant
from events.models import Event
from pricing.models import Feature, Plan, PlanFeature, PlanVersion

T0 = datetime(2026, 1, 31, 12, tzinfo=UTC)
# A moment to come, whenever the tests run: it is answered from what is known now.
LATER = T0.replace(year=2126)
DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)
SUBSCRIPTION = Source(SourceType.SUBSCRIPTION, "sub-1")
PURCHASE = Source(SourceType.ONE_TIME, "payment-1")
TERMS: dict[str, dict[str, Any]] = {
    "pdf": {},
    "calls": {"limit": 100, "period": "month"},
    "disk": {"limit": 5, "period": "never"},
    "help": {"value": "mail"},
}
KINDS: dict[str, dict[str, Any]] = {
    "pdf": {"kind": "boolean"},
    "charts": {"kind": "boolean"},
    "calls": {"kind": "metered", "consumable": True},
    "disk": {"kind": "metered", "consumable": False},
    "help": {"kind": "static", "merge": "max"},
}
numbers = itertools.count(1)


def a_version(features: dict[str, dict[str, Any]] | None = None, *, plan_id: str = "atlas") -> PlanVersion:
    """Publish a plan's next version that includes `features`: its code and terms (the four of TERMS by default)."""
    for code, sort in KINDS.items():
        Feature.objects.get_or_create(code=code, defaults={"name": code, **sort})
    plan, _ = Plan.objects.get_or_create(id=plan_id, defaults={"name": plan_id})
    version = PlanVersion.objects.create(
        plan=plan, number=plan.versions.count() + 1, billing_cycle="monthly", amount_minor=1999, published_at=T0
    )
    for code, terms in (TERMS if features is None else features).items():
        PlanFeature.objects.create(version=version, feature_id=code, **terms)
    return version


def a_grant(**said: Any) -> Grant:
    """Make the facts of one grant from T0 for 30 days, without a database."""
    facts: dict[str, Any] = {
        "id": UUID(int=next(numbers)),
        "source_type": "subscription",
        "source_id": "sub-1",
        "plan_id": "pro",
        "version": 1,
        "status": "active",
        "status_at": T0,
        "reason": "",
        "granted_at": T0,
        "starts_at": T0,
        "ends_at": T0 + 30 * DAY,
        "grace_until": None,
        "limit": None,
        "period": "",
        "soft": False,
        "value": None,
    }
    return Grant(**{**facts, **said})


def history_of(user_id: str) -> list[tuple[str, str]]:
    """Return what history says of a user, in order: type and feature."""
    rows = Event.objects.filter(subject=f"user:{user_id}").order_by("sequence")
    return [(row.type.removeprefix("entitlement."), row.data["feature_code"]) for row in rows]


Clients = Callable[..., APIClient]


@pytest.fixture
def client_of(settings: LazySettings) -> Clients:
    """Make a client with a token of one role; anonymous without one."""
    settings.JWT_SECRET = "a secret for tests, longer than 32 bytes"

    def make(role: str = "", user_id: str = "ann") -> APIClient:
        client = APIClient()
        if role:
            # A token is checked against the wall clock, so it is made by it.
            now = datetime.now(UTC)
            claims = {"sub": user_id, "role": role, "iss": settings.JWT_ISSUER, "aud": settings.JWT_AUDIENCE}
            claims |= {"iat": now, "exp": now + timedelta(minutes=5)}
            token = jwt.encode(claims, settings.JWT_SECRET, settings.JWT_ALGORITHM)
            client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
        return client

    return make
