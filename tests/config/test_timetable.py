"""Every job of the timetable is there, and what has ended does not pile up."""

from __future__ import annotations

from datetime import timedelta

import pytest
from axes.models import AccessAttempt
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from config import tasks
from config.celery import app
from tests.staff import log_in


@pytest.mark.django_db
def test_every_job_of_the_timetable_is_a_task() -> None:
    app.loader.import_default_modules()

    assert {job["task"] for job in app.conf.beat_schedule.values()} <= set(app.tasks)


@pytest.mark.django_db
def test_sessions_that_have_ended_are_removed() -> None:
    """ASVS 7.3: nothing of them is left to be found."""
    ended, live = (User.objects.create_superuser(name) for name in ("anna", "ben"))
    log_in(Client(), ended)
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))
    log_in(Client(), live)

    tasks.clear_sessions()

    assert [session.get_decoded()["_auth_user_id"] for session in Session.objects.all()] == [str(live.pk)]


@pytest.mark.django_db
def test_a_typed_name_is_kept_only_while_it_locks() -> None:
    """SE-07: who is in a hurry types the password as the name, and it must not stay."""
    for name in ("hunter2-in-a-hurry", "ben"):
        Client().post("/admin/login/", {"username": name, "password": "wrong"})
    past = timezone.now() - settings.AXES_COOLOFF_TIME - timedelta(seconds=1)
    AccessAttempt.objects.filter(username="hunter2-in-a-hurry").update(attempt_time=past)

    tasks.forget_failed_logins()

    assert [attempt.username for attempt in AccessAttempt.objects.all()] == ["ben"]
