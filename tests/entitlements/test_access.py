"""The check against a real database: what it reads, and that it reads it once."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from django.db import connection
from pytest_django import DjangoAssertNumQueries

from entitlements import access, facts, grants
from entitlements.errors import NegativeRequest
from entitlements.grants import Source
from entitlements.models import Entitlement, SourceType
from pricing.models import Feature, Plan
from tests.entitlements.conftest import DAY, PURCHASE, SUBSCRIPTION, T0, TICK, a_version

END = T0 + 30 * DAY


@pytest.fixture
def granted(db: None) -> None:
    grants.grant("ann", a_version(), source=SUBSCRIPTION, starts_at=T0, ends_at=END, at=T0)


@pytest.mark.usefixtures("granted")
def test_a_check_says_what_is_given_by_which_plan_and_until_when() -> None:
    """EN-03, EN-07."""
    found = access.check("ann", "calls", at=T0 + DAY, requested=3)

    assert (found.allowed, found.reason_code, found.kind) == (True, "within_limit", "metered")
    assert (found.limit, found.used, found.remaining, found.unlimited) == (100, 0, 100, False)
    assert (found.expires_at, found.in_grace, found.as_of) == (END, False, T0 + DAY)
    assert found.period
    assert (found.period.start, found.period.end) == (T0, T0.replace(month=2, day=28))
    assert found.source
    assert (found.source.type, found.source.id, found.source.plan_id) == ("subscription", "sub-1", "atlas")
    assert found.source.version == 1


@pytest.mark.usefixtures("granted")
def test_a_static_feature_answers_with_its_value() -> None:
    found = access.check("ann", "help", at=T0)

    assert (found.allowed, found.value, found.reason_code) == (True, "mail", "granted")


@pytest.mark.usefixtures("granted")
@pytest.mark.parametrize(
    ("user_id", "feature_code", "reason"),
    [("bob", "pdf", "no_entitlement"), ("ann", "charts", "no_entitlement"), ("ann", "teleport", "feature_unknown")],
)
def test_what_nobody_granted_is_denied_with_the_reason(user_id: str, feature_code: str, reason: str) -> None:
    found = access.check(user_id, feature_code, at=T0)

    assert (found.allowed, found.reason_code, found.source, found.expires_at) == (False, reason, None, None)


@pytest.mark.usefixtures("granted")
def test_an_archived_feature_is_denied_from_its_moment() -> None:
    Feature.objects.filter(code="pdf").update(archived_at=T0 + DAY)

    found = [access.check("ann", "pdf", at=T0 + DAY + step).reason_code for step in (-TICK, 0 * TICK)]

    assert found == ["granted", "feature_archived"]


@pytest.mark.usefixtures("granted")
@pytest.mark.parametrize(("user_id", "feature_code"), [("ann", "pdf"), ("bob", "pdf"), ("ann", "teleport")])
def test_a_check_is_one_query(
    user_id: str, feature_code: str, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """EN-08: without a cache it is one indexed read, whatever the answer; the features are remembered."""
    facts.features(facts.read("ann").catalog)

    with django_assert_num_queries(1):
        found = access.check(user_id, feature_code, at=T0)

    assert found.allowed is (user_id == "ann" and feature_code == "pdf")


@pytest.mark.usefixtures("granted")
def test_the_query_of_a_check_uses_indexes_alone() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {facts.READ}", {"user": "ann"})
        plan = [line for (line,) in cursor.fetchall()]

    assert not [line for line in plan if "Seq Scan" in line]
    # Which index it is, where there are few rows, is chance; none is read from end to end.
    read = [
        (line, cond) for line, cond in pairwise(plan) if re.search("Index.* Scan .*(entitlement_|_entitlement)", line)
    ]
    assert len(read) == 2
    assert all("Index Cond" in cond for _, cond in read)


@pytest.mark.usefixtures("granted")
def test_everything_of_a_user_is_a_query_for_grants_and_one_for_counters(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    """EN-04: the effective set."""
    grants.grant("ann", a_version({"pdf": {}}), source=PURCHASE, starts_at=T0, ends_at=None, at=T0)
    grants.revoke(PURCHASE, reason="refund", at=T0)
    facts.features(facts.read("ann").catalog)

    with django_assert_num_queries(2):
        access.effective("ann", at=T0)
    with django_assert_num_queries(1):
        found = access.effective("ann", at=END)

    assert [(one.feature_code, one.allowed, one.reason_code) for one in found] == [
        ("calls", False, "expired"),
        ("disk", False, "expired"),
        ("help", False, "expired"),
        ("pdf", False, "expired"),
    ]
    assert [one.allowed for one in access.effective("ann", at=T0)] == [True] * 4
    assert access.effective("bob", at=T0) == []


@pytest.mark.usefixtures("granted")
def test_each_decision_of_the_set_is_the_answer_to_its_own_check() -> None:
    everything = access.effective("ann", at=T0 + DAY)

    one_by_one = [access.check("ann", code, at=T0 + DAY) for code in ("calls", "disk", "help", "pdf")]

    assert everything == one_by_one


@pytest.mark.usefixtures("granted")
def test_a_trial_says_that_it_is_one() -> None:
    """PL-08."""
    trial = Source(SourceType.TRIAL, "trial-1")

    grants.grant("bob", a_version({"pdf": {}}), source=trial, starts_at=T0, ends_at=T0 + 14 * DAY, at=T0)

    assert access.check("bob", "pdf", at=T0 + 14 * DAY - TICK).reason_code == "trial"
    assert access.check("bob", "pdf", at=T0 + 14 * DAY).reason_code == "expired"


@pytest.mark.usefixtures("granted")
def test_access_follows_a_change_of_the_plan_s_id() -> None:
    """PL-09: in the database, so that psql does the same."""
    Plan.objects.filter(id="atlas").update(id="atlas-2026")

    found = access.check("ann", "pdf", at=T0)

    assert found.source
    assert (found.allowed, found.source.plan_id) == (True, "atlas-2026")
    assert set(Entitlement.objects.values_list("plan_id", flat=True)) == {"atlas-2026"}


@pytest.mark.usefixtures("granted")
def test_less_than_nothing_cannot_be_asked_for() -> None:
    with pytest.raises(NegativeRequest) as refused:
        access.check("ann", "calls", at=T0, requested=-1)

    assert refused.value.field == "requested"
