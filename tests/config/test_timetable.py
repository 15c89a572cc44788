"""The timetable names tasks that exist: a job under a wrong name would never run, and say nothing."""

from __future__ import annotations

import billing.tasks
import entitlements.tasks
import events.tasks
from config.celery import app

MODULES = (billing.tasks, entitlements.tasks, events.tasks)


def test_every_periodic_job_is_a_task() -> None:
    """JO-01."""
    known = {thing.name for module in MODULES for thing in vars(module).values() if hasattr(thing, "apply_async")}

    jobs = {row["task"] for row in app.conf.beat_schedule.values()}

    assert jobs <= known
    assert {"billing.tell_customers", "events.send_mail"} <= jobs
