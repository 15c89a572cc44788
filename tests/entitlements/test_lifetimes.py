"""What is kept is kept no longer than until its next date, whichever way that is seen."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from entitlements import boundaries, lifetimes, packing
from entitlements.facts import Facts
from tests.entitlements.conftest import DAY, T0, TICK, a_grant
from tests.entitlements.random_facts import FEATURES, MOMENTS, facts_of

# On both sides of the dates, as near as they count.
NEAR = st.timedeltas(timedelta(seconds=-40), timedelta(seconds=40)) | st.sampled_from(
    [lifetimes.LONGEST, -lifetimes.LONGEST, lifetimes.LONGEST + TICK, -lifetimes.LONGEST - TICK, TICK, -TICK]
)


def unpacked(known: Facts) -> Facts:
    return packing.unpack(known.user_id, packing.pack(known)[0])


@settings(max_examples=600, deadline=None)
@given(data=st.data(), number=st.integers(0, len(FEATURES) - 1), moment=MOMENTS, near=NEAR)
def test_where_nothing_is_seen_to_come_nothing_comes(
    data: st.DataObject, number: int, moment: object, near: timedelta
) -> None:
    feature, at = FEATURES[number], moment + near  # type: ignore[operator]
    known = data.draw(facts_of(feature))
    known = unpacked(Facts("ann", 1, 1, None, known.grants, known.rules if data.draw(st.booleans()) else {}))
    code = feature.code

    if lifetimes.is_quiet(known, at, {code: feature}):
        end = boundaries.following(feature, known.grants.get(code, ()), known.rules.get(code, ()), at)
        assert end is None or end > at + lifetimes.LONGEST


def test_who_has_bought_something_is_seen_through() -> None:
    """Months and all, but a second before a month of his ends."""
    month = a_grant(user_id="ann", limit=5, period="month", ends_at=None)
    known, found = unpacked(Facts("ann", 1, 1, None, {"calls": (month,)}, {})), {"calls": FEATURES[4]}

    assert lifetimes.is_quiet(known, T0 + DAY / 2, found)
    assert not lifetimes.is_quiet(known, T0 + 28 * DAY - timedelta(seconds=1), found)
