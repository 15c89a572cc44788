"""Whatever a source goes through, in whatever order: the rules hold, and a repeated verb changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from entitlements import access, grants
from entitlements.models import Entitlement
from events.models import Event
from pricing.models import PlanVersion
from tests.entitlements.conftest import DAY, SUBSCRIPTION, T0, a_version

Verb = Callable[[list[PlanVersion], datetime], object]
DAYS = st.integers(0, 9).map(lambda days: days * DAY)
REASONS = st.sampled_from(["past_due", "dispute"])


def giving(version: int, start: Any, length: Any, grace: Any, keep: bool) -> Verb:
    def verb(versions: list[PlanVersion], at: datetime) -> object:
        starts_at = T0 + start
        ends_at = None if length is None else starts_at + length
        grace_until = None if ends_at is None or grace is None else ends_at + grace
        return grants.grant(
            "ann",
            versions[version],
            source=SUBSCRIPTION,
            starts_at=starts_at,
            ends_at=ends_at,
            grace_until=grace_until,
            keep_suspended=keep,
            at=at,
        )

    return verb


def shortening(end: Any, grace: Any) -> Verb:
    return lambda _, at: grants.shorten(
        SUBSCRIPTION, ends_at=T0 + end, grace_until=None if grace is None else T0 + end + grace, at=at
    )


VERBS = st.one_of(
    st.builds(giving, st.integers(0, 1), DAYS, st.none() | DAYS, st.none() | DAYS, st.booleans()),
    st.builds(giving, st.integers(0, 1), DAYS, st.none() | DAYS, st.none() | DAYS, st.booleans()),
    REASONS.map(lambda reason: lambda _, at: grants.suspend(SUBSCRIPTION, reason=reason, at=at)),
    st.just(lambda _, at: grants.resume(SUBSCRIPTION, at=at)),
    st.builds(shortening, DAYS, st.none() | DAYS),
    st.just(lambda _, at: grants.cancel(SUBSCRIPTION, at=at)),
    st.just(lambda _, at: grants.expire_due(at=at)),
    REASONS.map(lambda reason: lambda _, at: grants.revoke(SUBSCRIPTION, reason=reason, at=at)),
)


@pytest.fixture
def versions(db: None) -> list[PlanVersion]:
    return [a_version({"pdf": {}, "calls": {"limit": 5, "period": "month"}}), a_version({"pdf": {}, "charts": {}})]


def state() -> list[dict[str, Any]]:
    return list(Entitlement.objects.order_by("feature_id").values())


def over(rows: list[dict[str, Any]]) -> bool:
    """Say whether the whole source was ended, rather than that a plan dropped one feature."""
    return any(
        row["status"] == "revoked" or (row["status"] == "canceled" and row["reason"] != "plan_changed") for row in rows
    )


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story=st.lists(st.tuples(VERBS, DAYS), max_size=6))
def test_any_story_keeps_the_rules(versions: list[PlanVersion], story: list[tuple[Verb, Any]]) -> None:
    revoked: set[Any] = set()
    at = T0
    with transaction.atomic():
        for verb, later in story:
            at += later
            verb(versions, at)
            once, told = state(), Event.objects.count()

            verb(versions, at)

            assert (state(), Event.objects.count()) == (once, told)
            now_revoked = {row["id"] for row in once if row["status"] == "revoked"}
            assert revoked <= now_revoked
            revoked = now_revoked
            assert len({row["feature_id"] for row in once}) == len(once)
            running = {row["status"] for row in once} & {"active", "suspended"}
            assert len(running) <= 1
            assert not (running and over(once))
        before = [decision.allowed for decision in access.effective("ann", at=at)]
        grants.expire_due(at=at)
        assert [decision.allowed for decision in access.effective("ann", at=at)] == before
        transaction.set_rollback(True)
