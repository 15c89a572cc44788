from __future__ import annotations

from typing import Any

import pytest
from django.db import connection

from entitlements import usage_corrections
from entitlements.models import UsageEvent
from entitlements.usage_errors import BelowZero, CorrectionRefused, CorrectsACorrection, UnitsWrong
from events.asking import Asking, KeyReused
from tests.entitlements.conftest import PURCHASE, T0
from tests.entitlements.test_usage import give, use, used

pytestmark = pytest.mark.django_db


def correct(meant: UsageEvent, units: int, key: str | None = None) -> Any:
    asking = Asking.of("admin:eva", key, {"units": units})
    return usage_corrections.correct(meant, units, reason="counted twice", asking=asking, now=T0)[0]


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
