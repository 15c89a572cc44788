from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.db import connection

from entitlements import reservations, usage_corrections
from entitlements.models import UsageEvent, UsageThreshold
from entitlements.usage_errors import BelowZero, CorrectionRefused, CorrectsACorrection, UnitsWrong
from events.asking import Asking, KeyReused
from events.models import Event
from tests.entitlements.conftest import DAY, PURCHASE, T0, TICK
from tests.entitlements.test_usage import give, use, used

pytestmark = pytest.mark.django_db


def correct(meant: UsageEvent, units: int, key: str | None = None, *, now: datetime = T0) -> Any:
    asking = Asking.of("admin:eva", key, {"units": units})
    return usage_corrections.correct(meant, units, reason="counted twice", asking=asking, now=now)[0]


def test_a_correction_is_appended_and_gives_back() -> None:
    give()
    meant = use(30)

    made = correct(meant, -10)

    assert used() == 20
    assert (made.units, made.corrects, made.reason) == (-10, meant.pk, "counted twice")
    assert UsageEvent.objects.get(pk=meant.pk).units == 30


def test_it_gives_back_to_the_pool_that_paid_last_first() -> None:
    give()
    give(plan_id="pack", source=PURCHASE, limit=50, priority=-1)
    meant = use(70)

    made = correct(meant, -30)

    assert made.shares == [-10, -20]
    assert used() == 40


def test_no_more_is_given_back_than_was_used() -> None:
    give()
    meant = use(30)
    use(30, "e-2")
    correct(meant, -20)

    with pytest.raises(BelowZero):
        correct(meant, -11)

    assert used() == 40


def test_more_is_added_as_far_as_it_fits() -> None:
    give()
    meant = use(30)

    correct(meant, 70)

    with pytest.raises(CorrectionRefused):
        correct(meant, 1)
    assert used() == 100


def test_what_was_over_a_soft_limit_is_given_back_first() -> None:
    give(soft=True)
    meant = use(120)

    assert correct(meant, -30).overage == -20


def test_a_key_corrects_once() -> None:
    give()
    meant = use(30)

    assert correct(meant, -10, "k-1").pk == correct(meant, -10, "k-1").pk
    assert used() == 20
    with pytest.raises(KeyReused):
        correct(meant, -11, "k-1")


def test_a_correction_is_not_corrected_and_corrects_something() -> None:
    give()
    meant = use(30)

    with pytest.raises(CorrectsACorrection):
        correct(correct(meant, -10), -1)
    with pytest.raises(UnitsWrong):
        correct(meant, 0)


def test_psql_cannot_change_what_was_used() -> None:
    give()
    use(30)

    with pytest.raises(Exception, match="what was used is a fact"), connection.cursor() as cursor:
        cursor.execute("UPDATE entitlements_usageevent SET units = 1")


def test_what_has_moved_on_is_not_taken_where_it_came_from() -> None:
    """Of two months with 100 each, 200 can be used."""
    give(rollover_max=100)
    meant, later = use(60), T0 + 40 * DAY
    use(139, "e-2", at=later)

    with pytest.raises(CorrectionRefused):
        correct(meant, 1)
    correct(meant, -10)
    correct(meant, 10)

    assert (used(), used(at=later)) == (60, 139)


def test_what_did_not_move_on_is_still_there_for_a_correction() -> None:
    give(rollover_max=15)
    meant = use(60)
    use(1, "e-2", at=T0 + 40 * DAY)

    correct(meant, 25)

    with pytest.raises(CorrectionRefused):
        correct(meant, 1)


def test_more_is_added_where_a_hold_is_over() -> None:
    """No job decides when: the same as for a use."""
    give()
    meant = use(50)
    reservations.reserve("ann", "calls", 50, expires_in=DAY, asking=Asking("service:app", None, ""), now=T0)

    with pytest.raises(CorrectionRefused):
        correct(meant, 50, now=T0 + DAY - TICK)
    correct(meant, 50, now=T0 + DAY)

    assert used() == 100


@pytest.mark.parametrize(("units", "told"), [(19, []), (20, [80]), (40, [80, 100])])
def test_a_correction_tells_what_it_reaches_and_nothing_twice(units: int, told: list[int]) -> None:
    give(warn_at=[80, 100])
    meant = use(60)

    correct(meant, units)
    correct(meant, -units)
    correct(meant, units)

    assert sorted(UsageThreshold.objects.values_list("percent", flat=True)) == told
    assert Event.objects.filter(type="usage.threshold_reached").count() == len(told)
