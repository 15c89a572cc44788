"""Expiry is a date; the job only writes it down."""

from __future__ import annotations

import pytest
from celery import current_app

from entitlements import access, grants, tasks
from entitlements.models import Entitlement
from tests.entitlements.conftest import DAY, SUBSCRIPTION, T0, TICK, a_version, history_of

END = T0 + 30 * DAY
GRACE = END + 7 * DAY


@pytest.fixture
def granted(db: None) -> None:
    version = a_version({"pdf": {}, "charts": {}})
    grants.grant("ann", version, source=SUBSCRIPTION, starts_at=T0, ends_at=END, grace_until=GRACE, at=T0)


@pytest.mark.usefixtures("granted")
def test_access_ends_on_time_without_the_job() -> None:
    answers = [access.check("ann", "pdf", at=moment) for moment in (GRACE - TICK, GRACE)]

    assert [answer.allowed for answer in answers] == [True, False]
    assert set(Entitlement.objects.values_list("status", flat=True)) == {"active"}


@pytest.mark.usefixtures("granted")
def test_the_job_waits_for_the_end_of_grace() -> None:
    """JO-01."""
    early = grants.expire_due(at=GRACE - TICK)

    late = grants.expire_due(at=GRACE)

    assert (early, late) == (0, 2)
    assert sorted(history_of("ann")[2:]) == [("expired", "charts"), ("expired", "pdf")]


@pytest.mark.usefixtures("granted")
def test_the_job_changes_no_answer() -> None:
    moments = [T0 - TICK, T0, END, GRACE - TICK, GRACE, GRACE + DAY]
    before = [access.check("ann", "pdf", at=moment) for moment in moments]

    grants.expire_due(at=GRACE + DAY)

    assert [access.check("ann", "pdf", at=moment) for moment in moments] == before


@pytest.mark.usefixtures("granted")
def test_a_batch_takes_no_more_than_its_limit() -> None:
    batches = [grants.expire_due(at=GRACE, limit=1) for _ in range(3)]

    assert batches == [1, 1, 0]


@pytest.mark.django_db
def test_what_lasts_for_life_or_is_held_back_does_not_expire() -> None:
    """PL-07."""
    grants.grant("ann", a_version({"pdf": {}}), source=SUBSCRIPTION, starts_at=T0, ends_at=None, at=T0)
    grants.grant("bob", a_version({"pdf": {}}), source=SUBSCRIPTION, starts_at=T0, ends_at=END, at=T0)
    grants.suspend(SUBSCRIPTION, reason="paused", at=T0)
    grants.resume(grants.Source(SUBSCRIPTION.type, "none"), at=T0)

    written = grants.expire_due(at=END.replace(year=9000))

    assert written == 0


@pytest.mark.usefixtures("granted")
def test_the_task_writes_down_all_that_is_due_by_the_database_s_clock() -> None:
    Entitlement.objects.update(starts_at=T0 - 900 * DAY, ends_at=T0 - 800 * DAY, grace_until=None)

    tasks.expire()

    assert set(Entitlement.objects.values_list("status", flat=True)) == {"expired"}


def test_the_timetable_names_the_task() -> None:
    from config.celery import app

    named = {entry["task"] for entry in app.conf.beat_schedule.values()}

    assert tasks.expire.name in named
    assert tasks.expire.name in current_app.tasks
