"""Why: every grant that was looked at, and the changes that turn a no, each of which does."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from entitlements import access, explain, grants, reservations, turns
from entitlements.access import Question
from entitlements.considered import Lost, Outcome
from entitlements.explain import Explanation
from entitlements.facts import Facts
from entitlements.models import Override, UsageCounter
from entitlements.standpoints import Standpoint, of
from entitlements.turns import Change
from events.asking import Asking
from pricing.models import Feature, PlanVersion
from tests.entitlements.conftest import DAY, PURCHASE, SUBSCRIPTION, TICK, Clients, a_version
from tests.entitlements.conftest import LATER as T0
from tests.entitlements.random_facts import FEATURES, MOMENTS, facts_of, used

URL = "/api/v1/entitlements/check"
END = T0 + 30 * DAY


def why(code: str, *, at: datetime = T0, requested: int = 1, **said: Any) -> Explanation:
    standpoint = of(["ann"], at=at)
    return explain.answer(Question(standpoint.known["ann"], code, requested, **said), standpoint)


def told(explanation: Explanation) -> dict[str, Change]:
    return {change.turn.value: change for change in explanation.would_allow}


@pytest.fixture
def catalog(db: None) -> PlanVersion:
    return a_version()


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.data(), feature=st.sampled_from(FEATURES), at=MOMENTS, requested=st.integers(0, 9), family=st.integers(6, 8)
)
def test_every_change_that_is_told_turns_the_answer(
    catalog: PlanVersion, data: Any, feature: Feature, at: datetime, requested: int, family: int
) -> None:
    """Each alone: it is applied to the facts, and the question is asked again."""
    code = feature.code
    known: Facts = data.draw(facts_of(feature))
    question = Question(known, code, requested, family_id=data.draw(st.sampled_from([None, UUID(int=family)])))
    standpoint = Standpoint(at, None, {"ann": known}, used, lambda _: {code: feature})

    found = explain.answer(question, standpoint)

    assert found.decision == standpoint.answers([question])[0]
    assert not (found.decision.allowed and found.would_allow)
    for change in found.would_allow:
        then, moment = turns.apply(change, question, at)
        assert then != question or moment > at
        turned = access.answers([then], at=moment, counting=used, catalog=lambda _: {code: feature})[0]
        assert turned.allowed, change


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), feature=st.sampled_from(FEATURES), at=MOMENTS)
def test_all_is_considered_once_and_what_decided_is_the_source(
    catalog: PlanVersion, data: Any, feature: Feature, at: datetime
) -> None:
    code = feature.code
    known: Facts = data.draw(facts_of(feature))
    standpoint = Standpoint(at, None, {"ann": known}, used, lambda _: {code: feature})

    found = explain.answer(Question(known, code), standpoint)

    assert sorted(each.id for each in found.considered) == sorted(
        each.id for each in (*known.grants[code], *known.rules[code])
    )
    decided = [each for each in found.considered if each.outcome == Outcome.DECIDED]
    assert len(decided) <= 1
    if decided and found.decision.source and decided[0].effect is None:
        assert decided[0].source == found.decision.source
    assert all(each.reason for each in found.considered if each.outcome == Outcome.LOST)
    shuffled = replace(known, grants={code: known.grants[code][::-1]}, rules={code: known.rules[code][::-1]})
    assert explain.answer(Question(shuffled, code), standpoint).considered == found.considered


@pytest.mark.usefixtures("catalog")
def test_what_was_never_granted_is_turned_by_the_cheapest_plan() -> None:
    dear = a_version({"charts": {}}, plan_id="dear")
    PlanVersion.objects.filter(pk=dear.pk).update(amount_minor=5000)
    a_version({"charts": {}}, plan_id="cheap")
    # Its newest version has it no more; and a year of this one costs less a month.
    a_version({"charts": {}}, plan_id="older")
    a_version({}, plan_id="older")
    PlanVersion.objects.filter(pk=a_version({"charts": {}}, plan_id="year").pk).update(
        billing_cycle="yearly", amount_minor=12 * 1998
    )

    found = why("charts")

    assert found.decision.reason_code == "no_entitlement"
    assert list(told(found)) == ["plan"]
    assert found.would_allow[0].offer
    assert found.would_allow[0].offer.plan_id == "year"


def test_too_many_units_are_turned_by_fewer_by_waiting_by_a_higher_limit_and_by_a_larger_plan(
    catalog: PlanVersion,
) -> None:
    rows = grants.grant("ann", catalog, source=SUBSCRIPTION, starts_at=T0, ends_at=END, at=T0)
    calls = next(row for row in rows if row.feature_id == "calls")
    UsageCounter.objects.create(subject="user:ann", feature_id="calls", pool=calls.pk, period_start=T0, used=90)
    a_version({"calls": {"limit": 100, "period": "month"}}, plan_id="small")
    a_version({"calls": {"limit": 101, "period": "month"}}, plan_id="large")

    found = told(why("calls", requested=11))

    assert list(found) == ["fewer_units", "wait", "set_limit", "plan"]
    assert found["fewer_units"].units == 10
    assert found["wait"].at == T0.replace(month=2, day=28)
    assert found["set_limit"].units == 101
    assert found["plan"].offer
    assert found["plan"].offer.plan_id == "large"


def test_what_is_held_is_waited_for_until_it_comes_back(catalog: PlanVersion) -> None:
    """And no longer: the period ends a month later."""
    grants.grant("ann", catalog, source=SUBSCRIPTION, starts_at=T0, ends_at=END, at=T0)
    for key, units, seconds in (("a", 40, 600), ("b", 50, 60)):
        asking, lasts = Asking.of("service:app", key, {}), timedelta(seconds=seconds)
        reservations.reserve("ann", "calls", units, expires_in=lasts, asking=asking, now=T0)

    waits = [told(why("calls", requested=units)).get("wait") for units in (11, 61, 101)]

    assert [wait and wait.at for wait in waits] == [T0 + timedelta(seconds=60), T0 + timedelta(seconds=600), None]
    for wait, units in zip(waits[:2], (11, 61), strict=True):
        assert wait is not None
        assert wait.at is not None
        found = [access.check("ann", "calls", at=wait.at - step, requested=units) for step in (TICK, 0 * TICK)]
        assert [each.allowed for each in found] == [False, True]


def test_a_suspension_is_lifted_an_end_moved_and_a_start_waited_for(catalog: PlanVersion) -> None:
    rows = grants.grant("ann", catalog, source=SUBSCRIPTION, starts_at=T0, ends_at=END, at=T0)
    pdf = next(row for row in rows if row.feature_id == "pdf")
    before, after = told(why("pdf", at=T0 - DAY)), told(why("pdf", at=END))
    grants.suspend(SUBSCRIPTION, reason="past_due", at=T0)
    held = told(why("pdf", at=T0 + DAY))

    assert [list(each) for each in (before, after, held)] == [
        ["wait", "start", "plan"],
        ["extend", "plan"],
        ["resume", "plan"],
    ]
    assert before["wait"].at == T0
    assert after["extend"].ids == held["resume"].ids == (pdf.pk,)


def test_two_denials_are_lifted_together_or_not_at_all(catalog: PlanVersion) -> None:
    grants.grant("ann", catalog, source=SUBSCRIPTION, starts_at=T0, ends_at=END, at=T0)
    said = {
        "user_id": "ann",
        "feature_id": "pdf",
        "effect": "deny",
        "reason": "fraud",
        "starts_at": T0,
        "created_at": T0,
    }
    denials = [Override.objects.create(**said) for _ in range(2)]

    found = why("pdf")

    assert set(told(found)["remove_overrides"].ids) == {denial.pk for denial in denials}
    assert [each.reason for each in found.considered] == [None, Lost.SUPERSEDED, Lost.OVERRULED]
    assert [each.outcome for each in found.considered] == [Outcome.DECIDED, Outcome.LOST, Outcome.LOST]


def test_a_foreign_family_is_left_out(catalog: PlanVersion) -> None:
    grants.grant("ann", catalog, source=SUBSCRIPTION, starts_at=T0, ends_at=END, at=T0)

    found = why("pdf", family_id=UUID(int=9))

    assert found.decision.reason_code == "not_family_member"
    assert list(told(found)) == ["leave_out_family"]
    assert [each.reason for each in found.considered] == [Lost.NOT_REACHED]


def test_the_door_tells_why(client_of: Clients, catalog: PlanVersion) -> None:
    grants.grant("ann", catalog, source=SUBSCRIPTION, starts_at=T0, ends_at=END, at=T0)
    grants.grant("ann", a_version({"pdf": {}}), source=PURCHASE, starts_at=T0, ends_at=T0 + DAY, at=T0)
    question = {"user_id": "ann", "feature_code": "pdf", "at": (END + DAY).isoformat()}

    answers = [
        client_of("support").post(URL, {**question, "explain": True}, format="json").json(),
        client_of("support").get(URL, {**question, "explain": "true"}).json(),
    ]

    for answer in answers:
        assert [each["reason"] for each in answer["considered"]] == ["expired", "expired"]
        assert [each["outcome"] for each in answer["considered"]] == ["decided", "lost"]
        assert [each["change"] for each in answer["would_allow"]] == ["extend", "extend", "plan"]
        assert answer["would_allow"][-1]["plan"] == {
            "plan_id": "atlas",
            "version": 2,
            "amount_minor": 1999,
            "currency": "usd",
            "billing_cycle": "monthly",
        }
    plain = client_of("support").post(URL, question, format="json").json()
    assert "considered" not in plain
    assert "would_allow" not in plain


@pytest.mark.parametrize(("role", "status"), [("user", 403), ("service", 200), ("support", 200), ("admin", 200)])
def test_who_may_be_told_why(client_of: Clients, catalog: PlanVersion, role: str, status: int) -> None:
    """A user may ask whether, and is not told what staff said of him."""
    question = {"user_id": "ann", "feature_code": "pdf", "explain": True}

    assert client_of(role).post(URL, question, format="json").status_code == status
