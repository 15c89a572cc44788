"""What is told by an outline is, to the byte, what would be worked out; and it is told to many."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entitlements import access, packing
from entitlements.access import Question
from entitlements.decisions import KEPT
from entitlements.facts import Facts
from entitlements.serializers import outlines
from entitlements.serializers.answers import shown
from entitlements.serializers.rendering import rendered
from pricing.models import Feature
from tests.entitlements.conftest import DAY, T0, TICK, a_grant
from tests.entitlements.random_facts import FAMILY, FEATURES, MOMENTS, facts_of, used

NAMES = ["ann", "ben", "%s %(a)s", 'o"brien\\', "jürgen", "a\x00\u2028"]
LATER = T0 + DAY


def catalog(number: int) -> dict[str, Feature]:
    return {FEATURES[number].code: FEATURES[number]}


def both(known: Facts, code: str, at: datetime, requested: int = 1) -> tuple[bytes | None, bytes]:
    """Give what is told by an outline, and what is worked out."""
    question = Question(packing.unpack(known.user_id, packing.pack(known)[0]), code, requested)
    (decision,) = access.answers([question], at=at, counting=used, catalog=catalog)
    return outlines.told(question, at, catalog), rendered(shown(decision))


def of(user_id: str = "ann", *grants: Any, number: int = 0, family: Any = None, **said: Any) -> Facts:
    mine = grants or (a_grant(user_id=user_id, **said),)
    return Facts(user_id, 1, number, family, {FEATURES[number].code: mine}, {})


@settings(max_examples=600, deadline=None)
@given(st.data())
def test_nobody_is_told_anything_else(data: st.DataObject) -> None:
    number = data.draw(st.integers(0, len(FEATURES) - 1))
    feature, name = FEATURES[number], data.draw(st.sampled_from(NAMES))
    known, at = data.draw(facts_of(feature)), data.draw(MOMENTS)
    source, rules = data.draw(st.sampled_from(["sub-1", "%d", "ü"])), data.draw(st.booleans())
    mine = tuple(
        replace(grant, user_id=name if grant.user_id == "ann" else grant.user_id, source_id=source)
        for grant in known.grants[feature.code][: data.draw(st.integers(0, 2))]
    )
    known = Facts(name, 1, number, known.family_id, {feature.code: mine} if mine else {}, known.rules if rules else {})

    told, worked_out = both(known, feature.code, at, data.draw(st.integers(0, 3)))

    assert told in (None, worked_out)


@pytest.mark.parametrize("number", [0, 2])
@pytest.mark.parametrize("ends", [{}, {"ends_at": None}, {"grace_until": T0 + 40 * DAY}])
@pytest.mark.parametrize("source_type", ["subscription", "trial"])
def test_who_bought_the_same_is_told_the_same(number: int, ends: dict[str, Any], source_type: str) -> None:
    code, drawn = FEATURES[number].code, len(outlines._outlines)

    for place, name in enumerate(["ann", "ben", "%s %(a)s", 'o"brien\\']):
        starts = T0 - place * DAY
        known = of(name, number=number, starts_at=starts, source_id=f"sub-{place}", source_type=source_type, **ends)
        told, worked_out = both(known, code, LATER)
        assert told == worked_out

    assert len(outlines._outlines) <= drawn + 1


@pytest.mark.parametrize(
    "known",
    [
        of("jürgen"),
        of(number=1),
        of(number=4, limit=5, period="month"),
        of(plan_id=None, version=None),
        of("ann", a_grant(user_id="ann"), a_grant(user_id="ann")),
        of("ann", a_grant(user_id="eve", family_id=FAMILY), family=FAMILY),
        of(status="suspended", reason="past_due"),
        of(ends_at=LATER + KEPT),
        of(ends_at=LATER),
        of(ends_at=T0, grace_until=T0 + 9 * DAY),
        of(grace_until=LATER + KEPT),
        of(starts_at=LATER + TICK),
        Facts("ann", 1, 0, None, {}, {}),
    ],
)
def test_everybody_else_is_worked_out(known: Facts) -> None:
    """Among them whoever has a date that is near."""
    number = known.catalog

    told, _worked_out = both(known, FEATURES[number].code, LATER)

    assert told is None


def test_other_terms_are_another_outline() -> None:
    for value in ("a", "b", 3, None):
        told, worked_out = both(of(number=2, value=value), "help", LATER)
        assert told == worked_out


def test_there_are_no_more_than_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlines, "MOST", 2)
    outlines._outlines.clear()

    for requested in range(1, 8):
        told, worked_out = both(of(), "pdf", LATER, requested)
        assert told == worked_out
        assert len(outlines._outlines) <= 2
