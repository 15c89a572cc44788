"""Many at once: the last seat goes to one, a user to one family, and each race is lost without what decides it."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction
from django.db.models import QuerySet

from entitlements import access, facts, families, grants, invitations
from entitlements.errors import EntitlementsError
from entitlements.facts import Facts
from entitlements.grants import Source
from entitlements.models import Entitlement, Family, FamilyMember, SourceType
from events import history
from pricing.models import Plan, PlanVersion
from tests.entitlements.conftest import DAY, T0
from tests.entitlements.test_families import NO_KEY, join
from tests.entitlements.test_races import run_while_the_first_is_open

END = T0 + 30 * DAY
SEATS = 6
Work = Callable[[], object]

pytestmark = pytest.mark.usefixtures("books")


@pytest.fixture
def version() -> PlanVersion:
    current = Plan.objects.get(id="family-yearly").current
    assert current
    assert current.max_users == SEATS
    return current


@pytest.fixture
def without_row_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make Django's SELECT ... FOR UPDATE a plain SELECT."""
    monkeypatch.setattr(QuerySet, "select_for_update", lambda rows, **_: rows)


def give(user_id: str, version: PlanVersion, source_id: str) -> None:
    with transaction.atomic():
        source = Source(SourceType.SUBSCRIPTION, source_id)
        grants.grant(user_id, version, source=source, starts_at=T0, ends_at=END, at=T0)


def a_family(version: PlanVersion, owner_id: str = "olga", *, members: int = 0) -> Family:
    give(owner_id, version, f"sub-of-{owner_id}")
    family, _ = families.create(owner_id, name="", asking=NO_KEY, at=T0)
    join(family, *(f"{owner_id}-{number}" for number in range(members)))
    return family


def invited(family: Family, *users: str) -> list[FamilyMember]:
    return [invitations.invite(family, user_id, asking=NO_KEY, at=T0)[0] for user_id in users]


def outcome(work: Work) -> str:
    """Do the work, and say how it ended."""
    try:
        work()
    except EntitlementsError as error:
        return error.code
    return "done"


def accepting(row: FamilyMember) -> Work:
    return lambda: invitations.accept(row, row.user_id, at=T0)


def all_at_once(works: Sequence[Work]) -> list[str]:
    """Begin each in a thread of its own, through one gate."""
    gate = threading.Barrier(len(works))

    def one(work: Work) -> str:
        gate.wait()
        try:
            return outcome(work)
        finally:
            connection.close()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(one, works))


def one_after_the_other(*works: Work) -> list[str]:
    """Do the first, and begin the second before the first commits."""
    left, ended = iter(works), []
    run_while_the_first_is_open(lambda: ended.append(outcome(next(left))))
    return ended


def test_the_last_seat_goes_to_one_of_sixteen(version: PlanVersion) -> None:
    family = a_family(version, members=SEATS - 2)
    rows = invited(family, *(f"late-{number}" for number in range(16)))

    ended = all_at_once([accepting(row) for row in rows])

    assert Counter(ended) == {"done": 1, "seat_limit_reached": 15}
    assert families.active(family).count() == SEATS
    inside = [row.user_id for row in rows if access.check(row.user_id, "export", at=T0).allowed]
    assert inside == [rows[ended.index("done")].user_id]


def test_of_two_for_the_last_seat_the_second_waits_and_is_refused(version: PlanVersion) -> None:
    family = a_family(version, members=SEATS - 2)

    ended = one_after_the_other(*(accepting(row) for row in invited(family, "mia", "max")))

    assert ended == ["done", "seat_limit_reached"]


@pytest.mark.usefixtures("without_row_locks")
def test_without_the_lock_both_have_the_last_seat(version: PlanVersion) -> None:
    family = a_family(version, members=SEATS - 2)

    ended = one_after_the_other(*(accepting(row) for row in invited(family, "mia", "max")))

    assert ended == ["done", "done"]
    assert families.active(family).count() == SEATS + 1


def test_a_seat_is_free_once_its_member_has_gone(version: PlanVersion) -> None:
    """Who accepts while another is removed waits, and then has his seat."""
    family = a_family(version, members=SEATS - 1)
    (late,) = invited(family, "late")

    ended = one_after_the_other(lambda: families.remove(family, "olga-0", at=T0), accepting(late))

    assert ended == ["done", "done"]
    assert families.active(family).count() == SEATS


@pytest.mark.usefixtures("without_row_locks")
def test_without_the_lock_he_sees_who_is_about_to_go(version: PlanVersion) -> None:
    family = a_family(version, members=SEATS - 1)
    (late,) = invited(family, "late")

    ended = one_after_the_other(lambda: families.remove(family, "olga-0", at=T0), accepting(late))

    assert ended == ["done", "seat_limit_reached"]


def two_families_for_mia(version: PlanVersion) -> list[Work]:
    return [accepting(invited(a_family(version, owner), "mia")[0]) for owner in ("olga", "otto")]


def test_a_user_who_accepts_twice_at_once_is_in_one_family(version: PlanVersion) -> None:
    ended = one_after_the_other(*two_families_for_mia(version))

    assert ended == ["done", "already_in_a_family"]
    assert FamilyMember.objects.filter(user_id="mia", status="active").count() == 1


@pytest.mark.broken_books
def test_without_the_constraint_he_is_in_two(version: PlanVersion) -> None:
    rule = next(rule for rule in FamilyMember._meta.constraints if rule.name == "one_family_at_a_time_per_user")
    with connection.schema_editor() as editor:
        editor.remove_constraint(FamilyMember, rule)

    try:
        ended = one_after_the_other(*two_families_for_mia(version))
    finally:
        FamilyMember.objects.filter(user_id="mia").delete()
        with connection.schema_editor() as editor:
            editor.add_constraint(FamilyMember, rule)

    assert ended == ["done", "done"]


def test_two_who_make_a_family_of_one_owner_make_one(version: PlanVersion) -> None:
    give("olga", version, "sub-1")

    ended = all_at_once([lambda: families.create("olga", name="", asking=NO_KEY, at=T0)] * 4)

    assert Counter(ended) == {"done": 1, "already_in_a_family": 3}


def create_and_buy(version: PlanVersion) -> tuple[Work, Work]:
    give("olga", version, "sub-1")
    return (
        lambda: families.create("olga", name="", asking=NO_KEY, at=T0),
        lambda: give("olga", version, "sub-2"),
    )


def not_shared() -> int:
    return Entitlement.objects.filter(family_id=None).count()


def test_what_is_bought_while_a_family_is_made_is_shared(version: PlanVersion) -> None:
    create, buy = create_and_buy(version)

    ended = one_after_the_other(create, buy)

    assert (ended, not_shared()) == (["done", "done"], 0)


def test_without_the_hold_it_is_not(version: PlanVersion, monkeypatch: pytest.MonkeyPatch) -> None:
    create, buy = create_and_buy(version)
    monkeypatch.setattr(history, "hold", lambda _: None)

    ended = one_after_the_other(create, buy)

    assert ended == ["done", "done"]
    assert not_shared() == version.features.count()


def joining_while_a_former_owner_loses_a_plan(version: PlanVersion) -> tuple[Facts, Facts]:
    """Return what is known of who joins, as he joins and when all is over."""
    family = a_family(version, members=1)
    give("olga", version, "sub-2")
    families.transfer(family, "olga-0", at=T0)
    (row,) = invited(family, "mia")
    seen = []

    def lose() -> None:
        history.record("payment.refunded", subject=history.user("olga"), object="payment:1", at=T0)
        grants.revoke(Source(SourceType.SUBSCRIPTION, "sub-2"), reason="refund", at=T0)

    def come() -> None:
        accepting(row)()
        seen.append(facts.read("mia"))

    assert one_after_the_other(lose, come) == ["done", "done"]
    return seen[0], facts.read("mia")


def test_who_joins_while_what_is_shared_changes_knows_of_it(version: PlanVersion) -> None:
    """What is kept of him under a version is what that version is."""
    before, after = joining_while_a_former_owner_loses_a_plan(version)

    assert before == after


def test_without_holding_who_pays_he_keeps_what_is_gone(version: PlanVersion, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(families, "hold_payers", lambda _: [])

    before, after = joining_while_a_former_owner_loses_a_plan(version)

    assert before.version == after.version
    assert before.grants != after.grants


@pytest.mark.parametrize("seed", range(3))
def test_whatever_happens_at_once_the_rules_hold(version: PlanVersion, seed: int) -> None:
    """Families, payments and renewals in any order, from eight at once: no rule breaks, and nobody waits for ever."""
    family, chance = a_family(version, members=2), random.Random(seed)
    users = ["olga", "olga-0", "olga-1", "mia", "max"]

    def invite_and_accept(user_id: str) -> None:
        row, _, _ = invitations.invite(family, user_id, asking=NO_KEY, at=T0)
        invitations.accept(row, user_id, at=T0)

    def pay(user_id: str) -> None:
        with transaction.atomic():
            history.record("payment.completed", subject=history.user(user_id), object="payment:1", at=T0)
            give(user_id, version, f"sub-of-{user_id}")

    def pause(user_id: str) -> None:
        source = Source(SourceType.SUBSCRIPTION, f"sub-of-{user_id}")
        with transaction.atomic():
            history.record("subscription.paused", subject=history.user(user_id), object="subscription:1", at=T0)
            grants.suspend(source, reason="paused", at=T0)
            grants.resume(source, at=T0)

    verbs: list[Callable[[str], object]] = [
        invite_and_accept,
        pay,
        pause,
        lambda user_id: families.remove(family, user_id, at=T0),
        lambda user_id: families.leave(family, user_id, at=T0),
        lambda user_id: families.transfer(family, user_id, at=T0),
    ]

    def several(plan: list[tuple[Callable[[str], object], str]]) -> None:
        for verb, user_id in plan:
            outcome(lambda verb=verb, user_id=user_id: verb(user_id))  # type: ignore[misc]

    plans = [[(chance.choice(verbs), chance.choice(users)) for _ in range(12)] for _ in range(8)]
    ended = all_at_once([lambda plan=plan: several(plan) for plan in plans])  # type: ignore[misc]

    assert set(ended) == {"done"}
    family.refresh_from_db()
    assert families.active(family).get(role="owner").user_id == family.owner_id
