"""Celery's way in. It decides nothing."""

from __future__ import annotations

from datetime import timedelta

from axes.models import AccessAttempt
from celery import shared_task
from django.conf import settings
from django.core.management import call_command

from events import clock


@shared_task(name="config.clear_sessions")
def clear_sessions() -> None:
    """Remove the sessions of the back office that have ended. May be repeated."""
    call_command("clearsessions")


@shared_task(name="config.forget_failed_logins")
def forget_failed_logins() -> None:
    """Remove the wrong logins that lock nobody any more: a typed name may be a password. May be repeated."""
    locking: timedelta = settings.AXES_COOLOFF_TIME
    AccessAttempt.objects.filter(attempt_time__lt=clock.now() - locking).delete()
