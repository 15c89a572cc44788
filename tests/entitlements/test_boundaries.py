"""Between two boundaries an answer stays the same, as long as nothing is written."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entitlements import access, boundaries
from entitlements.access import Question
from entitlements.decisions import Decision, decide
from entitlements.rules import Rule
from entitlements.spans import Grant
from pricing.models import Feature
from tests.entitlements.conftest import DAY, T0, TICK, a_grant
from tests.entitlements.random_facts import FEATURES, MOMENTS, facts_of, used


def plain(decision: Decision) -> Decision:
    return replace(decision, as_of=T0, changes_at=None)


@settings(max_examples=400, deadline=None)
@given(data=st.data(), feature=st.sampled_from(FEATURES), at=MOMENTS, part=st.floats(0, 1), requested=st.integers(0, 9))
def test_any_answer_stays_until_the_next_boundary(
    data: Any, feature: Feature, at: datetime, part: float, requested: int
) -> None:
    known, code = data.draw(facts_of(feature)), feature.code

    def answer(moment: datetime) -> Decision:
        question = Question(known, code, requested)
        return access.answers([question], at=moment, counting=used, catalog=lambda _: {code: feature})[0]

    end = boundaries.following(feature, known.grants[code], known.rules[code], at) or at + 400 * DAY
    between = at + (end - at) * part

    assert end > at
    assert [plain(answer(moment)) for moment in (min(between, end - TICK), end - TICK)] == [plain(answer(at))] * 2


@pytest.mark.parametrize(
    ("said", "step", "found"),
    [
        ({}, -TICK, T0),
        ({}, 0 * DAY, T0 + 30 * DAY),
        ({"grace_until": T0 + 40 * DAY}, 30 * DAY, T0 + 40 * DAY),
        ({"period": "day", "limit": 3}, DAY / 2, T0 + DAY),
        ({"period": "week", "limit": 3}, 29 * DAY, T0 + 30 * DAY),
        ({}, 30 * DAY, None),
        ({"ends_at": None}, DAY, None),
    ],
)
def test_the_boundaries_of_a_grant_are_its_dates_and_its_periods(
    said: dict[str, Any], step: timedelta, found: datetime | None
) -> None:
    feature = Feature(code="calls", kind="metered")
    grant: Grant = a_grant(**{"status_at": T0 - DAY, **said})

    assert boundaries.following(feature, [grant], [], T0 + step) == found


def test_an_override_and_an_archive_are_boundaries_too() -> None:
    feature = Feature(code="pdf", kind="boolean", archived_at=T0 + 9 * DAY)
    rule = Rule(a_grant().id, "deny", None, None, "set", T0 + DAY, T0 + 5 * DAY, T0, T0 + 3 * DAY)

    found = [boundaries.following(feature, [], [rule], T0 + days * DAY) for days in (0, 1, 3, 5, 9)]

    assert found == [T0 + DAY, T0 + 3 * DAY, T0 + 5 * DAY, T0 + 9 * DAY, None]


def test_a_yes_is_kept_for_30_seconds_and_a_no_for_5_and_neither_beyond_the_boundary() -> None:
    feature = Feature(code="pdf", kind="boolean")
    grant = a_grant()
    end = T0 + 30 * DAY

    def fresh(at: datetime) -> timedelta:
        until = decide("ann", "pdf", feature, [grant], at=at).fresh_until
        assert until
        return until - at

    assert fresh(T0) == timedelta(seconds=30)
    assert fresh(end - TICK) == TICK
    assert fresh(end) == timedelta(seconds=5)
    assert fresh(T0 - TICK) == TICK


def test_of_a_moment_that_is_named_a_past_answer_stays_for_ever_and_one_to_come_as_long_as_one_of_now() -> None:
    decision = decide("ann", "pdf", Feature(code="pdf", kind="boolean"), [a_grant()], at=T0)

    assert replace(decision, asked_at=T0 + TICK).fresh_until is None
    assert replace(decision, asked_at=T0 - DAY).fresh_until == T0 - DAY + timedelta(seconds=30)
