"""What a family shares is counted: of one pool for all, and of each member's part of it."""

from __future__ import annotations

from typing import Any

import pytest

from entitlements import access, families, reservations, usage, usage_corrections
from entitlements.models import Family, UsageCounter, UsageEvent
from entitlements.usage import Use
from entitlements.usage_errors import BelowZero, UsageRefused
from events.asking import Asking
from tests.entitlements.conftest import DAY, T0
from tests.entitlements.test_families import a_family, join

pytestmark = pytest.mark.django_db
SERVICE = Asking("service:app", None, "")


@pytest.fixture
def family() -> Family:
    """Olga's, with Mia and Max in it, and no cap for any of them."""
    family = a_family()
    join(family, "mia", "max")
    return family


def use(user_id: str, units: int, event_id: str, code: str = "calls") -> UsageEvent:
    return usage.record(Use(user_id, code, units, event_id, T0), principal="service:app", now=T0)[0]


def left(user_id: str, code: str = "calls") -> int | None:
    return access.check(user_id, code, at=T0, requested=0).remaining


def counted(code: str = "calls") -> dict[str, int]:
    return dict(UsageCounter.objects.filter(feature_id=code).values_list("member", "used"))


def correct(meant: UsageEvent, units: int) -> Any:
    return usage_corrections.correct(meant, units, reason="twice", asking=Asking("admin:eva", None, ""), now=T0)


@pytest.mark.parametrize("code", ["calls", "disk"])
def test_without_a_cap_a_member_uses_all_that_is_left(family: Family, code: str) -> None:
    """US-01, EN-10: what a check says is left can be used, by whoever comes first."""
    whole = left("mia", code)
    assert whole

    use("olga", 1, "e-1", code)
    use("mia", whole - 1, "e-2", code)

    assert counted(code) == {"": whole, "mia": whole - 1}
    with pytest.raises(UsageRefused) as refused:
        use("max", 1, "e-3", code)
    assert refused.value.code == "limit_reached"


def test_without_a_cap_a_member_holds_what_is_left(family: Family) -> None:
    held, _ = reservations.reserve("mia", "calls", 100, expires_in=DAY, asking=SERVICE, now=T0)

    assert left("olga") == left("mia") == 0
    reservations.commit(held, units=30, principal="service:app", now=T0)
    assert (left("olga"), counted()) == (70, {"": 30, "mia": 30})


def test_who_is_taken_out_commits_what_he_held_and_no_more(family: Family) -> None:
    """The units were his when he began; they are counted in the pool that held them."""
    held, _ = reservations.reserve("mia", "calls", 40, expires_in=DAY, asking=SERVICE, now=T0)
    families.remove(family, "mia", at=T0)

    with pytest.raises(UsageRefused):
        reservations.commit(held, units=41, principal="service:app", now=T0)
    assert left("olga") == 60
    reservations.commit(held, units=25, principal="service:app", now=T0)

    assert left("olga") == 75
    with pytest.raises(UsageRefused) as refused:
        use("mia", 1, "e-1")
    assert refused.value.code == "no_entitlement"


def test_what_a_member_gave_back_is_not_given_back_again(family: Family) -> None:
    """Others have taken it since."""
    meant = use("mia", 3, "e-1", "disk")
    use("mia", -3, "e-2", "disk")
    use("olga", 3, "e-3", "disk")

    with pytest.raises(BelowZero):
        correct(meant, -3)

    assert counted("disk") == {"": 3, "mia": 0}
