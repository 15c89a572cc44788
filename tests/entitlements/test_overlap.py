"""When several grants give one feature (design.md, When several grants overlap)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entitlements.decisions import Decision, decide
from entitlements.pools import ALWAYS, Key, Tally
from entitlements.rules import Rule
from entitlements.spans import Grant
from pricing.models import Feature
from tests.entitlements.conftest import DAY, T0, a_grant

EXPORT = Feature(code="export", kind="boolean")
CALLS = Feature(code="calls", kind="metered", consumable=True)
SEATS = Feature(code="seats", kind="metered", consumable=False)
NOW = T0 + DAY


def level(merge: str) -> Feature:
    return Feature(code="level", kind="static", merge=merge)


def said(effect: str, limit: int | None = None, operation: str = "set") -> Rule:
    return Rule(UUID(int=1), effect, None, limit, operation, T0, None, T0, None)


def answer(feature: Feature, *grants: Grant, requested: int = 1) -> Decision:
    return decide("ann", feature.code, feature, grants, at=NOW, requested=requested)


def test_one_effective_grant_is_enough_for_a_boolean() -> None:
    ended = a_grant(ends_at=T0)
    revoked = a_grant(status="revoked")
    running = a_grant(source_id="runs")

    found = answer(EXPORT, ended, revoked, running)

    assert (found.allowed, found.reason_code, found.source and found.source.id) == (True, "granted", "runs")


def test_a_boolean_is_dated_by_the_grant_that_lasts_longest() -> None:
    """Else a buyer for life would be told that his access ends with his subscription."""
    monthly = a_grant(granted_at=T0 + DAY)
    for_life = a_grant(source_type="one_time", ends_at=None)

    found = answer(EXPORT, monthly, for_life)

    assert (found.expires_at, found.source and found.source.type) == (None, "one_time")


def test_access_is_in_grace_only_when_nothing_paid_is_left() -> None:
    late = a_grant(ends_at=T0, grace_until=T0 + 9 * DAY)
    paid = a_grant(ends_at=T0 + 2 * DAY)

    alone, both = answer(EXPORT, late), answer(EXPORT, late, paid)

    assert (alone.reason_code, alone.in_grace, alone.grace_until) == ("in_grace", True, T0 + 9 * DAY)
    assert (both.reason_code, both.in_grace, both.expires_at) == ("granted", False, T0 + 2 * DAY)


@pytest.mark.parametrize(
    ("merge", "values", "merged"),
    [
        ("max", [3, 10, 7], 10),
        ("min", [3, 10, 7], 3),
        ("max", ["a", "b"], "b"),
        ("max", [None, 2], 2),
        ("max", [None, None], None),
        ("union", [["de", "en"], ["en", "fr"], "it"], ["de", "en", "fr", "it"]),
        ("union", [[10, 9], [1]], [1, 9, 10]),
        ("union", [["b", 2], ["a", 10]], [2, 10, "a", "b"]),
        ("union", [None, None], []),
    ],
)
def test_static_values_meet_by_the_rule_of_the_feature(merge: str, values: list[Any], merged: Any) -> None:
    grants = [a_grant(value=value) for value in values]

    found = answer(level(merge), *grants)

    assert (found.allowed, found.value) == (True, merged)


def test_newest_takes_the_value_that_was_granted_last() -> None:
    old, new = a_grant(value="old"), a_grant(value="new", granted_at=T0 + DAY, source_type="trial")

    found = answer(level("newest"), old, new)

    assert (found.value, found.reason_code) == ("new", "trial")


def test_equal_values_are_told_apart_by_source_then_age_then_id() -> None:
    same: list[Grant] = [a_grant(value=1, source_type=kind) for kind in ("trial", "promotion", "family")]
    old, new = a_grant(value=1, source_id="old"), a_grant(value=1, source_id="new", granted_at=T0 + DAY)
    twin = replace(new, source_id="twin", id=a_grant().id)

    winners = [
        answer(level("max"), *grants).source
        for grants in (same[:1], same[:2], same, [*same, old], [*same, old, new], [*same, old, twin, new])
    ]

    types = [winner and winner.type for winner in winners]
    ids = [winner and winner.id for winner in winners]
    assert types == ["trial", "promotion", "family", "subscription", "subscription", "subscription"]
    assert ids[3:] == ["old", "new", "new"]


@pytest.mark.parametrize(("merge", "merged"), [("max", "team"), ("min", "none"), ("newest", "solo")])
def test_values_of_an_enum_meet_by_their_places_among_its_choices(merge: str, merged: str) -> None:
    """The weakest stands first: their letters say nothing."""
    feature = Feature(code="level", kind="static", merge=merge, value_type="enum", choices=["none", "solo", "team"])
    some = [a_grant(value="team"), a_grant(value="solo", granted_at=T0 + DAY), a_grant(value="none")]

    assert answer(feature, *some).value == merged


def test_of_equals_what_is_ones_own_comes_before_what_a_family_shares() -> None:
    """Whatever paid for it, and though it is older."""
    shared = a_grant(value=1, user_id="eve", family_id=UUID(int=7), source_id="shared", granted_at=NOW)
    own, promotion = (
        a_grant(value=1, user_id="ann", source_id=kind, source_type=kind) for kind in ("one_time", "promotion")
    )

    winners = [answer(level("max"), *some).source for some in ([promotion, shared], [promotion, shared, own])]

    assert [winner and winner.id for winner in winners] == ["shared", "one_time"]


def test_priority_comes_before_every_date_and_ones_own_pool_before_a_familys() -> None:
    shared = a_grant(limit=1, user_id="eve", family_id=UUID(int=7), source_id="shared")
    own = replace(shared, id=UUID(int=2**100), user_id="ann", family_id=None, source_id="own")
    later = replace(shared, ends_at=None, source_id="later", priority=-1)

    payers = [answer(CALLS, *some).source for some in ([shared, own], [shared, own, later])]

    assert [payer and payer.id for payer in payers] == ["own", "later"]


@pytest.mark.parametrize(("used", "warning"), [(49, None), (50, 50), (89, 50), (90, 90), (100, 90), (150, 120)])
def test_the_highest_share_of_the_limit_that_was_passed_is_told(used: int, warning: int | None) -> None:
    grant = a_grant(limit=100, soft=True, warn_at=(50, 90, 120), user_id="ann")
    key = Key("user:ann", "calls", grant.id, "", ALWAYS)

    found = decide("ann", "calls", CALLS, [grant], at=NOW, tallies={key: Tally(used)})

    assert (found.used, found.warning, found.overage) == (used, warning, max(used - 100, 0))


def test_of_nothing_no_share_is_told() -> None:
    assert answer(CALLS, a_grant(limit=0), requested=0).warning is None


def test_the_pool_that_pays_next_is_the_first_that_has_anything_left() -> None:
    soon, later, last = (
        a_grant(limit=5, user_id="ann", source_id=name, ends_at=T0 + days * DAY)
        for name, days in (("soon", 10), ("later", 20), ("last", 30))
    )
    spent = {Key("user:ann", "calls", grant.id, "", ALWAYS): Tally(3, 2) for grant in (soon, later)}

    found = decide("ann", "calls", CALLS, [last, later, soon], at=NOW, tallies=spent)

    assert (found.source and found.source.id, found.remaining, found.used, found.reserved) == ("last", 5, 6, 4)


def test_what_is_too_much_for_hard_pools_a_soft_one_lets_through() -> None:
    hard = a_grant(limit=5, user_id="ann", ends_at=T0 + 10 * DAY)
    soft = a_grant(limit=5, user_id="ann", ends_at=None, soft=True, source_id="soft")
    spent = {Key("user:ann", "calls", grant.id, "", ALWAYS): Tally(5) for grant in (hard, soft)}

    found = decide("ann", "calls", CALLS, [hard, soft], at=NOW, tallies=spent)

    assert (found.reason_code, found.source and found.source.id) == ("soft_limit_exceeded", "soft")


def test_pools_of_what_is_used_up_add() -> None:
    found = answer(CALLS, a_grant(limit=100), a_grant(limit=20), requested=120)

    assert (found.allowed, found.limit, found.remaining, found.reason_code) == (True, 120, 120, "within_limit")


def test_of_what_is_only_counted_the_largest_pool_holds() -> None:
    found = answer(SEATS, a_grant(limit=3), a_grant(limit=5, source_id="large"), requested=6)

    assert (found.allowed, found.limit, found.reason_code) == (False, 5, "limit_reached")
    assert found.source
    assert found.source.id == "large"


@pytest.mark.parametrize("feature", [CALLS, SEATS])
def test_any_unlimited_pool_wins(feature: Feature) -> None:
    endless = a_grant(limit=None, source_id="endless", ends_at=None)

    found = answer(feature, a_grant(limit=1), endless, requested=10**12)

    assert (found.allowed, found.unlimited, found.limit, found.remaining) == (True, True, None, None)
    assert (found.reason_code, found.source and found.source.id) == ("unlimited", "endless")


def test_a_limit_of_zero_is_granted_with_nothing_included() -> None:
    hard, soft = a_grant(limit=0), a_grant(limit=0, soft=True)

    found = [answer(CALLS, hard), answer(CALLS, hard, requested=0), answer(CALLS, soft)]

    assert [(one.allowed, one.reason_code) for one in found] == [
        (False, "limit_reached"),
        (True, "within_limit"),
        (True, "soft_limit_exceeded"),
    ]


def test_the_pool_that_ends_first_pays_first() -> None:
    """Nearest expiry, nearest reset, free before paid, personal before family."""
    family = a_grant(limit=1, source_id="family", ends_at=None, source_type="family")
    personal = replace(family, source_id="personal", source_type="one_time", id=a_grant().id)
    free = replace(family, source_id="free", source_type="manual", id=a_grant().id)
    monthly = replace(family, source_id="monthly", period="month", id=a_grant().id)
    soon = a_grant(limit=1, source_id="soon")
    pools = [family, personal, free, monthly, soon]

    order = [found.id for end in range(1, 6) if (found := answer(CALLS, *pools[:end]).source)]

    assert order == ["family", "personal", "free", "monthly", "soon"]


def test_with_no_access_the_reason_is_what_can_be_mended_then_what_comes_then_what_ended_last() -> None:
    old = a_grant(ends_at=T0 + DAY - DAY / 2)
    canceled = a_grant(ends_at=T0 + DAY / 4, status="canceled")
    coming = a_grant(starts_at=T0 + 2 * DAY)
    held = a_grant(status="suspended", reason="dispute")
    revoked = a_grant(status="revoked", status_at=T0 + DAY * 0.9)

    reasons = [
        answer(EXPORT, *grants).reason_code
        for grants in ([canceled], [canceled, old], [canceled, old, revoked], [old, coming], [old, coming, held])
    ]

    assert reasons == ["canceled", "expired", "revoked", "not_started", "suspended_dispute"]


def test_too_much_for_a_share_and_for_the_pool_is_too_much_for_the_pool() -> None:
    """`member_cap_reached` says that the pool has enough left."""
    grant = a_grant(limit=10, member_cap=4, user_id="eve", family_id=UUID(int=7))

    found = [decide("ann", "calls", CALLS, [grant], at=NOW, requested=units).reason_code for units in (4, 5, 10, 11)]

    assert found == ["within_limit", "member_cap_reached", "member_cap_reached", "limit_reached"]
    share = {Key("user:eve", "calls", grant.id, "ann", ALWAYS): Tally(1, 2)}
    assert decide("ann", "calls", CALLS, [grant], at=NOW, tallies=share).remaining == 1
    endless = decide("ann", "calls", CALLS, [replace(grant, limit=None)], at=NOW, requested=5)
    assert (endless.reason_code, endless.unlimited, endless.remaining) == ("member_cap_reached", True, 4)


def test_another_limit_of_what_is_only_counted_knows_no_share() -> None:
    shared = a_grant(limit=5, member_cap=2, user_id="eve", family_id=UUID(int=7))

    found = [
        decide("ann", "seats", SEATS, [shared], at=NOW, rules=rules).remaining for rules in ([], [said("value", 8)])
    ]

    assert found == [2, 8]


@pytest.mark.parametrize("limit", [0, None])
def test_of_no_units_and_of_no_limit_nothing_moves_on(limit: int | None) -> None:
    grant = a_grant(limit=limit, period="day", rollover_max=5, user_id="ann", starts_at=T0 - DAY)

    assert answer(CALLS, grant).limit == limit


def test_what_has_moved_on_is_what_the_counter_says_of_it() -> None:
    """Also when that is nothing, though the period before has given something back since."""
    grant = a_grant(limit=10, period="day", rollover_max=5, user_id="ann", starts_at=T0 - DAY)
    key = Key("user:ann", "calls", grant.id, "", NOW)

    found = [decide("ann", "calls", CALLS, [grant], at=NOW, tallies=some).limit for some in ({}, {key: Tally(1, 0, 0)})]

    assert found == [15, 10]


def test_of_what_comes_the_next_is_told_and_of_what_is_over_the_last() -> None:
    soon, later = (a_grant(starts_at=NOW + days * DAY, source_id=name) for days, name in ((1, "soon"), (2, "later")))
    short = a_grant(starts_at=T0, ends_at=T0 + DAY / 4, source_id="short")
    long = a_grant(starts_at=T0 - 9 * DAY, ends_at=T0 + DAY / 2, source_id="long")

    told = [answer(EXPORT, *some).source for some in ([soon, later], [later, soon], [short, long], [long, short])]

    assert [each and each.id for each in told] == ["soon", "soon", "long", "long"]


def test_of_what_is_held_back_the_last_reason_is_told() -> None:
    disputed = a_grant(status="suspended", reason="dispute", status_at=T0)
    late = a_grant(status="suspended", reason="past_due", status_at=T0 + DAY / 2, source_id="late")

    assert answer(EXPORT, disputed, late).reason_code == "suspended_past_due"


def test_grace_is_told_of_access_alone() -> None:
    """Neither what is over with its grace, nor what staff allow, asks for a payment."""
    over = a_grant(ends_at=T0, grace_until=T0 + DAY / 2)
    late = a_grant(ends_at=T0, grace_until=T0 + 9 * DAY)

    found = [answer(EXPORT, over), decide("ann", "export", EXPORT, [late], at=NOW, rules=[said("allow")])]

    assert [(each.reason_code, each.in_grace) for each in found] == [("expired", False), ("override_allow", False)]


def test_a_family_is_named_where_another_one_pays() -> None:
    own = a_grant(user_id="ann", family_id=UUID(int=7))

    found = [answer(EXPORT, grant).family_id for grant in (own, replace(own, user_id="eve"))]

    assert found == [None, str(UUID(int=7))]


@pytest.mark.parametrize(
    ("operation", "used", "reason"),
    [("set", 0, "override_allow"), ("add", 9, "within_limit"), ("add", 10, "override_allow")],
)
def test_another_limit_is_the_reason_where_it_pays(operation: str, used: int, reason: str) -> None:
    grant = a_grant(limit=10, user_id="ann")
    tallies = {Key("user:ann", "calls", grant.id, "", ALWAYS): Tally(used)}

    found = decide("ann", "calls", CALLS, [grant], at=NOW, rules=[said("value", 20, operation)], tallies=tallies)

    assert (found.allowed, found.reason_code) == (True, reason)


def test_what_is_only_counted_is_counted_once() -> None:
    grant = a_grant(limit=5, user_id="ann")

    found = decide(
        "ann", "seats", SEATS, [grant], at=NOW, tallies={Key("user:ann", "seats", None, "", ALWAYS): Tally(3)}
    )

    assert (found.used, found.remaining) == (3, 2)


def test_what_is_held_of_the_period_before_does_not_move_on() -> None:
    grant = a_grant(limit=10, period="day", rollover_max=9, user_id="ann", starts_at=T0)
    before = {Key("user:ann", "calls", grant.id, "", T0): Tally(2, 3, 0)}

    assert decide("ann", "calls", CALLS, [grant], at=NOW, tallies=before).limit == 15


def test_what_had_moved_on_moves_on_again_and_before_the_start_there_was_nothing() -> None:
    grant = a_grant(limit=10, period="day", rollover_max=20, user_id="ann", starts_at=T0)
    before = {Key("user:ann", "calls", grant.id, "", T0): Tally(2, 0, 3)}

    found = [decide("ann", "calls", CALLS, [grant], at=at, tallies=some) for at, some in ((T0, {}), (NOW, before))]

    assert [each.limit for each in found] == [10, 21]


VALUES = st.none() | st.booleans() | st.integers(-9, 9) | st.text("abc", max_size=2) | st.lists(st.integers(0, 3))
MOMENTS = st.integers(-3, 3).map(lambda days: T0 + days * DAY)
GRANTS = st.builds(
    lambda start, length, grace, **said: a_grant(
        starts_at=start,
        ends_at=None if length is None else start + length * DAY,
        grace_until=None if length is None or grace is None else start + (length + grace) * DAY,
        **said,
    ),
    start=MOMENTS,
    length=st.none() | st.integers(0, 4),
    grace=st.none() | st.integers(0, 2),
    status=st.sampled_from(["active", "suspended", "expired", "canceled", "revoked"]),
    status_at=MOMENTS,
    reason=st.sampled_from(["", "past_due", "dispute"]),
    granted_at=MOMENTS,
    source_type=st.sampled_from(["subscription", "one_time", "trial", "promotion", "manual", "family"]),
    limit=st.none() | st.integers(0, 3),
    period=st.sampled_from(["", "day", "month", "never"]),
    soft=st.booleans(),
    value=VALUES,
)
FEATURES = st.sampled_from([EXPORT, CALLS, SEATS, *(level(merge) for merge in ("max", "min", "union", "newest"))])


@given(feature=FEATURES, grants=st.lists(GRANTS, max_size=5), data=st.data(), requested=st.integers(0, 4))
def test_the_answer_never_depends_on_the_order_of_rows(
    feature: Feature, grants: list[Grant], data: st.DataObject, requested: int
) -> None:
    shuffled = data.draw(st.permutations(grants))

    first, second = answer(feature, *grants, requested=requested), answer(feature, *shuffled, requested=requested)

    assert repr(first) == repr(second)


@given(feature=FEATURES, grants=st.lists(GRANTS, max_size=4), more=GRANTS)
def test_one_more_grant_never_takes_access_away(feature: Feature, grants: list[Grant], more: Grant) -> None:
    before = answer(feature, *grants)

    after = answer(feature, *grants, more)

    assert after.allowed or not before.allowed
