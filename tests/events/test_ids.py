from __future__ import annotations

from events.ids import uuid7, uuid7s


def test_ids_rise_also_within_a_millisecond() -> None:
    """RFC 9562, 6.2: a list that pages by id shows what came first, first."""
    made = [uuid7() for _ in range(5000)]

    assert made == sorted(made)
    assert len(set(made)) == 5000
    assert {(one.version, one.variant) for one in made} == {(7, "specified in RFC 4122")}


def test_many_ids_at_once_rise_among_the_others() -> None:
    made = [uuid7(), *uuid7s(3000), uuid7(), *uuid7s(2000), uuid7()]

    assert made == sorted(made)
    assert len(set(made)) == 5003
    assert {(one.version, one.variant) for one in made} == {(7, "specified in RFC 4122")}
    assert uuid7s(0) == []
