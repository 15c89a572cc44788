"""What is packed is what is unpacked, in a few bytes."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entitlements import packing
from entitlements.bits import Reader, Writer
from entitlements.facts import Facts
from entitlements.rules import Rule
from entitlements.shapes import MOST_SHAPES, ShapeMissing, Shapes, table
from tests.entitlements.conftest import DAY, T0, a_grant

FAMILY = UUID(int=77)
GRANTS = {
    "pdf": (a_grant(user_id="ann"), a_grant(user_id="ann", source_id=str(UUID(int=5)), version=2)),
    "calls": (
        a_grant(user_id="ann", limit=100, period="month", warn_at=(50, 90), rollover_max=5, priority=-3),
        a_grant(user_id="bob", family_id=FAMILY, limit=7, period="day", member_cap=2, anchor="calendar"),
    ),
    "help": (
        a_grant(user_id="ann", value=["é", 1, 2.5], ends_at=None, plan_id=None, version=None, source_type="manual"),
        a_grant(user_id="ann", value="mail", grace_until=T0 + 40 * DAY, status="suspended", reason="something new"),
        a_grant(user_id="ann", value="mail", starts_at=T0 - 900 * DAY, granted_at=T0 + timedelta(microseconds=1)),
    ),
}
RULE = Rule(UUID(int=9), "value", {"a": 1}, 5, "add", T0, None, T0 - DAY, T0 + DAY)


def test_everything_comes_back() -> None:
    known = Facts("ann", 70_000, 12, FAMILY, GRANTS, {"help": (RULE,), "calls": (RULE, RULE)})

    packet, shapes = packing.pack(known)
    found = packing.unpack("ann", packet)

    assert {code: set(map(repr, grants)) for code, grants in found.grants.items()} == {
        code: set(map(repr, grants)) for code, grants in GRANTS.items()
    }
    assert (found.rules, found.family_id) == (known.rules, FAMILY)
    assert (found.version, found.catalog, packing.unpack("ann", packet, catalog=13).catalog) == (70_000, 12, 13)
    assert packing.version_of(packet) == 70_000
    assert packing.refs(packet) == list(shapes)
    assert not packing.is_bare(packet)


def test_nothing_is_packed_too() -> None:
    known = Facts("ann", 0, 0, None, {}, {})

    assert packing.unpack("ann", packing.pack(known)[0]) == known


def test_a_bare_packet_says_its_version_alone() -> None:
    assert packing.is_bare(packing.bare(300))
    assert packing.version_of(packing.bare(300)) == 300


def test_a_packet_that_names_an_unknown_shape_is_not_read() -> None:
    packet, shapes = packing.pack(Facts("ann", 1, 1, None, {"pdf": (a_grant(user_id="ann", plan_id="rare"),)}, {}))
    (ref,) = shapes
    del table._known[ref]

    with pytest.raises(ShapeMissing):
        packing.unpack("ann", packet)

    table.learn(shapes[ref])
    assert packing.unpack("ann", packet).grants["pdf"][0].plan_id == "rare"


def test_without_room_for_its_shape_a_packet_carries_it() -> None:
    full = Shapes()
    full._known = {number.to_bytes(8): [] for number in range(MOST_SHAPES)}

    assert full.learn(b'[["pdf"]]') is None


@given(st.lists(st.integers(0, 2**63)), st.text(), st.lists(st.uuids()))
def test_what_is_written_is_read(numbers: list[int], text: str, ids: list[UUID]) -> None:
    to = Writer()
    for number in numbers:
        to.number(number)
    to.text(text)
    to.ids([each.bytes for each in ids])
    to.word(text, ["", "a"])
    to.raw(b"rest")

    of = Reader(to.packet())

    assert [of.number() for _each in numbers] == numbers
    assert (of.text(), of.ids(), of.word(["", "a"]), of.rest()) == (text, ids, text, b"rest")
