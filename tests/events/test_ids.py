from __future__ import annotations

from events.ids import uuid7


def test_ids_rise_also_within_a_millisecond() -> None:
    """RFC 9562, 6.2: a list that pages by id shows what came first, first."""
    made = [uuid7() for _ in range(5000)]

    assert made == sorted(made)
    assert len(set(made)) == 5000
    assert {(one.version, one.variant) for one in made} == {(7, "specified in RFC 4122")}
