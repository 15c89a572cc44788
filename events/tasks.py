"""Celery's way in. It decides nothing."""

from __future__ import annotations

from celery import shared_task

from events import mail, sealing, witness


@shared_task(name="events.seal")
def seal() -> None:
    """Seal what happened since the last seal, and write it to the second place. May be repeated."""
    sealing.seal_all()
    witness.bear()


@shared_task(name="events.send_mail")
def send_mail() -> None:
    """Send the e-mails that are due, batch after batch. May be repeated and race."""
    while mail.send_due():
        pass
