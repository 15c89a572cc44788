"""What is read of a packet at sight is what it says, and the answer from it is the one that is worked out."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entitlements import access, packing, plain
from entitlements.access import Question
from entitlements.decisions import KEPT
from entitlements.facts import Facts
from entitlements.plain import Plain
from entitlements.rules import Rule
from entitlements.serializers import outlines
from entitlements.serializers.answers import shown
from entitlements.serializers.rendering import rendered
from events import clock
from tests.entitlements.conftest import DAY, T0, TICK, a_grant
from tests.entitlements.random_facts import FAMILY, FEATURES, MOMENTS, facts_of, used
from tests.entitlements.test_outlines import catalog

LATER = T0 + DAY
SOURCES = ["sub-1", "%d", "ü", "x" * 127, "x" * 128, str(UUID(int=5)), str(UUID(int=5)).upper()]
VERSIONS = st.sampled_from([0, 1, 127, 128, 70_000, 2**40])


def seen(known: Facts, code: str, at: datetime, requested: int = 1) -> tuple[bytes | None, bytes]:
    """Give what is told of a packet that is read at sight, and what is worked out."""
    packet, _shapes = packing.pack(known)
    question = Question(packing.unpack(known.user_id, packet), code, requested)
    (decision,) = access.answers([question], at=at, counting=used, catalog=catalog)
    found, told = plain.read(known.user_id, packet), None
    if found is not None:
        outlines.learn(found, question, at, catalog)
        told = outlines.seen(found, code, requested, clock.microseconds(at), known.catalog)
    return told, rendered(shown(decision))


def of(*grants: Any, user_id: str = "ann", number: int = 0, family: Any = None, **said: Any) -> Facts:
    mine = grants or (a_grant(user_id=user_id, **said),)
    return Facts(user_id, 1, number, family, {FEATURES[number].code: mine}, {})


def read(known: Facts) -> Plain | None:
    return plain.read(known.user_id, packing.pack(known)[0])


@settings(max_examples=600, deadline=None)
@given(st.data())
def test_nobody_is_told_anything_else(data: st.DataObject) -> None:
    number = data.draw(st.integers(0, len(FEATURES) - 1))
    feature, source = FEATURES[number], data.draw(st.sampled_from(SOURCES))
    known, at = data.draw(facts_of(feature)), data.draw(MOMENTS)
    mine = tuple(
        replace(grant, source_id=source) for grant in known.grants[feature.code][: data.draw(st.integers(0, 2))]
    )
    rules, family = known.rules if data.draw(st.booleans()) else {}, data.draw(st.sampled_from([None, None, FAMILY]))
    known = Facts("ann", data.draw(VERSIONS), number, family, {feature.code: mine} if mine else {}, rules)

    told, worked_out = seen(known, feature.code, at, data.draw(st.integers(0, 3)))

    assert told in (None, worked_out)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_what_is_read_at_sight_is_what_the_packet_says(data: st.DataObject) -> None:
    begun = {name: data.draw(MOMENTS) for name in ("starts_at", "granted_at", "status_at")}
    ends = {name: data.draw(st.none() | MOMENTS) for name in ("ends_at", "grace_until")}
    source, version = data.draw(st.sampled_from(SOURCES)), data.draw(VERSIONS)
    grants = {code: (a_grant(user_id="ann", source_id=source, **begun, **ends),) for code in ("pdf", "help")}
    known = Facts("ann", version, data.draw(VERSIONS), None, grants, {})

    found = read(known)

    if found is None:
        assert len(source) > 127 or not source.isascii()
        return
    assert (found.version, found.head.catalog, found.source_id) == (version, known.catalog, source)
    assert found.since == clock.microseconds(max(begun.values()))
    for moment, said in zip((found.ends_at, found.grace_until), ends.values(), strict=True):
        assert moment == (said and clock.microseconds(said))
    assert found.facts(known.catalog) == known
    assert (found.head.source_type, [found.head.ref]) == ("subscription", packing.refs(found.packet))


@pytest.mark.parametrize("number", [0, 2])
@pytest.mark.parametrize("said", [{}, {"ends_at": None}, {"grace_until": T0 + 40 * DAY}, {"source_type": "trial"}])
@pytest.mark.parametrize("name", ["ann", "%s %(a)s", 'o"brien\\'])
def test_a_buyer_is_told_the_same_from_what_is_seen(number: int, said: dict[str, Any], name: str) -> None:
    for source in ("sub-1", 'a"%s', str(UUID(int=5))):
        for at in (LATER, LATER + TICK):
            told, worked_out = seen(
                of(user_id=name, number=number, source_id=source, **said), FEATURES[number].code, at
            )
            assert told == worked_out


@pytest.mark.parametrize(
    "known",
    [
        of(a_grant(user_id="ann", plan_id=None, version=None)),
        of(a_grant(user_id="ann"), a_grant(user_id="ann", source_id="sub-2")),
        of(a_grant(user_id="eve", family_id=FAMILY), family=FAMILY),
        of(family=FAMILY),
        of(status="suspended", reason="past_due"),
        of(status="active", reason="staff"),
        of(source_type="something new"),
        Facts("ann", 1, 0, None, {}, {}),
        replace(of(), rules={"pdf": (Rule(UUID(int=9), "deny", None, None, "set", T0, None, T0, None),)}),
    ],
)
def test_whatever_is_not_plain_is_not_read_at_sight(known: Facts) -> None:
    assert read(known) is None
    assert plain.read("ann", packing.bare(5)) is None


@pytest.mark.parametrize(
    "known",
    [
        of(user_id="jürgen"),
        of(number=4, limit=5, period="month"),
        of(number=1),
        of(ends_at=LATER + KEPT),
        of(ends_at=LATER),
        of(grace_until=LATER + KEPT),
        of(starts_at=LATER + TICK),
        of(granted_at=LATER + TICK),
        of(status_at=LATER + TICK),
    ],
)
def test_whoever_has_a_date_that_is_near_is_worked_out(known: Facts) -> None:
    """And whoever asks of what is counted, or ends for all."""
    # Somebody else's outline is there.
    seen(of(number=known.catalog), FEATURES[known.catalog].code, LATER)

    told, _worked_out = seen(known, FEATURES[known.catalog].code, LATER)

    assert told is None


def test_nothing_is_learned_of_whoever_is_not_in_force() -> None:
    """What he is told is not told to others."""
    outlines._outlines.clear()
    for at, starts_at in ((T0 - DAY, T0), (LATER, LATER + TICK)):
        assert seen(of(starts_at=starts_at, ends_at=None), "pdf", at)[0] is None

    told, worked_out = seen(of(ends_at=None), "pdf", LATER)

    assert told == worked_out


def test_no_more_beginnings_are_remembered_than_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain, "MOST_HEADS", 2)
    plain._heads.clear()

    for number in range(9):
        assert read(replace(of(), catalog=number)) is not None
        assert len(plain._heads) <= 2
