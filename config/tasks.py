"""Celery's way in. It decides nothing."""

from __future__ import annotations

from celery import shared_task
from django.core.management import call_command


@shared_task(name="config.clear_sessions")
def clear_sessions() -> None:
    """Remove the sessions of the back office that have ended. May be repeated."""
    call_command("clearsessions")
