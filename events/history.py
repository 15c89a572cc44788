"""Write history. Nothing else inserts into `events_event`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from events import commitments, context
from events.models import Event


def record(type: str, *, subject: str, object: str, at: datetime, data: Mapping[str, Any] | None = None) -> Event:
    """Write one row of history inside the caller's transaction.

    `subject` is whose history it is (`user:42`, `plan:pro`), `object` what changed (`payment:<uuid>`), both
    `kind:id`. `data` holds JSON values only, amounts in minor units. Rows of one subject get gapless numbers: the
    subject is locked until the transaction ends. Raises RuntimeError outside a transaction, because a change and its
    history must stand or fall together. What names a person becomes a commitment, and `why` is what the actor said.
    """
    if not connection.in_atomic_block:
        raise RuntimeError(f"history of {type} must be recorded inside the transaction of the change")
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"history {subject}"])
        cursor.execute("SELECT coalesce(max(sequence), 0) + 1 FROM events_event WHERE subject = %s", [subject])
        (sequence,) = cursor.fetchone()
    return Event.objects.create(
        type=type,
        subject=subject,
        sequence=sequence,
        object=object,
        actor=context.actor.get(),
        request_id=context.request_id.get(),
        data=commitments.without_persons(_said(data or {}), of=subject),
        at=at,
    )


def _said(data: Mapping[str, Any]) -> dict[str, Any]:
    why = context.why.get()
    return {**data, "why": why} if why else dict(data)


def take(subject: str) -> bool:
    """Lock a subject's history until the transaction ends, and say whether it was free. It never waits.

    For who locks rows first and records after it: others record first.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [f"history {subject}"])
        return bool(cursor.fetchone()[0])


def settle(subjects: Sequence[str]) -> None:
    """Wait until nobody is writing these histories: what is written from now on has a later `created_at`.

    It holds one lock at a time while it waits, so it stops nobody who holds another.
    """
    for subject in _busy(subjects):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock_shared(hashtextextended(%s, 0))", [f"history {subject}"])


def _busy(subjects: Sequence[str]) -> list[str]:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            """SELECT subject FROM unnest(%s::text[]) AS subject
            WHERE NOT pg_try_advisory_xact_lock_shared(hashtextextended('history ' || subject, 0))""",
            [list(subjects)],
        )
        return [subject for (subject,) in cursor.fetchall()]


def user(user_id: str) -> str:
    """Name the history of a user of the product."""
    return f"user:{user_id}"
