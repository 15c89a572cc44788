"""History to look at, and to tamper with."""

from __future__ import annotations

import io
from typing import Any

from django.core.management import CommandError, call_command
from django.db import connection, transaction

from events import clock, history, sealing, witness
from events.models import Event


def write(subject: str = "user:anna", type: str = "thing.happened", **data: Any) -> Event:
    with transaction.atomic():
        return history.record(type, subject=subject, object="thing:1", at=clock.now(), data={"amount": 1, **data})


def sealed_story(*, subjects: int = 3, events: int = 4, seals: int = 3) -> list[Event]:
    """Write some events of some subjects before each of some seals."""
    for seal in range(seals):
        for number in range(events):
            for subject in range(subjects):
                write(f"user:{subject}", note=f"näïve {seal}.{number}", amount_minor=100 + number)
        sealing.seal_all()
        witness.bear()
    return list(Event.objects.order_by("subject", "sequence"))


def verify(**options: Any) -> str:
    """Verify history as its command does: what is wrong with it, or nothing."""
    try:
        call_command("verify_history", stdout=io.StringIO(), stderr=io.StringIO(), **options)
    except CommandError as reason:
        return str(reason)
    return ""


def tamper(sql: str, *values: Any) -> int:
    """Change the database as one can who owns it and its server: past every trigger. Returns how many rows."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(sql, values)
        changed = cursor.rowcount
        cursor.execute("SET LOCAL session_replication_role = origin")
        return changed
