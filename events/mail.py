"""E-mails leave from a table: queued with what they tell of, sent after it, at least once.

Nothing is queued where no mail server is set. Each mail keeps its Message-ID through every try, so that a server or a
reader who gets it twice can tell.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from email.utils import parseaddr
from typing import Any

import structlog
from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.db import connection, transaction
from django.template.loader import render_to_string

from events import clock
from events.models import Mail
from vault import faults

log = structlog.get_logger("farebox.mail")
Status = Mail.Status
# Longer than a batch takes, with its time limits: after it, whoever sent is gone, and the mail is sent again.
BUSY_FOR = timedelta(minutes=10)
# Nine tries over two days.
WAITS = [timedelta(minutes=m) for m in (1, 5, 15, 60, 3 * 60, 6 * 60, 12 * 60, 24 * 60)]
BATCH = 20


def queue(template: str, *, to: str, subject: str, said: Mapping[str, str | None], at: datetime) -> Mail | None:
    """Queue an e-mail inside the caller's transaction; None where no mail server or no address is known.

    `subject` is whose history it belongs to (`user:42`), `said` what the template is filled with. Raises RuntimeError
    outside a transaction, because a mail and what it tells of must stand or fall together.
    """
    if not connection.in_atomic_block:
        raise RuntimeError(f"mail {template} must be queued inside the transaction of what it tells of")
    if not settings.EMAIL_URL or not to:
        return None
    return Mail.objects.create(
        subject=subject,
        template=template,
        recipient=to,
        context=json.dumps(said),
        status=Status.QUEUED,
        status_at=at,
        due_at=at,
    )


def send_due(*, overdue: timedelta = timedelta(0)) -> int:
    """Send what is due, the longest waiting first, at most a batch. Returns how many left. May race and be repeated.

    With `overdue` only what should have left so long ago: for who steps in when nobody else sends.
    """
    claimed = _claim(clock.now(), overdue) if settings.EMAIL_URL else []
    if not claimed:
        return 0
    server = get_connection()
    try:
        server.open()
    except OSError as reason:
        for mail in claimed:
            _put_off(mail, reason)
        return 0
    try:
        return sum(_sent(mail, server) for mail in claimed)
    finally:
        server.close()


def message_of(mail: Mail) -> EmailMultiAlternatives:
    """Write an e-mail out: the first line of its text is its subject."""
    said = {**json.loads(mail.context), "sender": parseaddr(settings.DEFAULT_FROM_EMAIL)[0] or settings.APP_NAME}
    title, _, text = render_to_string(f"emails/{mail.template}.txt", said).strip().partition("\n")
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"
    message = EmailMultiAlternatives(
        subject=" ".join(title.split()),
        body=text.strip() + "\n",
        to=[mail.recipient],
        headers={"Message-ID": f"<{mail.pk}@{domain}>", "Auto-Submitted": "auto-generated"},
    )
    message.attach_alternative(render_to_string(f"emails/{mail.template}.html", {**said, "title": title}), "text/html")
    return message


def erase(subject: str, *, at: datetime) -> int:
    """Forget whom the mails of a person went to and what they said; what has not left does not leave."""
    mails = Mail.objects.filter(subject=subject)
    mails.filter(status=Status.QUEUED).update(status=Status.FAILED, status_at=at, last_error="erased")
    return mails.update(recipient="", context="")


def _claim(at: datetime, overdue: timedelta) -> list[Mail]:
    with transaction.atomic():
        due = Mail.objects.filter(status=Status.QUEUED, due_at__lte=at - overdue).order_by("due_at")
        mails = list(due.select_for_update(skip_locked=True)[:BATCH])
        Mail.objects.filter(pk__in=[mail.pk for mail in mails]).update(due_at=at + BUSY_FOR)
    return mails


def _sent(mail: Mail, server: Any) -> bool:
    if not Mail.objects.filter(pk=mail.pk, status=Status.QUEUED).exists():
        return False  # Erased, or sent by who came after us.
    try:
        message = message_of(mail)
        message.connection = server
        message.send()
    except Exception as reason:
        # A template that cannot be filled or a refused address must not hold up the next mail.
        _put_off(mail, reason)
        return False
    with transaction.atomic():
        if mail.move_to(Status.SENT, at=clock.now()):
            Mail.objects.filter(pk=mail.pk).update(recipient="", context="", last_error="")
    return True


@transaction.atomic
def _put_off(mail: Mail, reason: Exception) -> None:
    at = clock.now()
    mail.attempts += 1
    mail.last_error = faults.named(reason)[:255]
    over = mail.attempts > len(WAITS)
    mail.due_at = at if over else at + WAITS[mail.attempts - 1]
    mail.save(update_fields=["attempts", "last_error", "due_at"])
    if over and mail.move_to(Status.FAILED, at=at):
        Mail.objects.filter(pk=mail.pk).update(recipient="", context="")
        log.error("mail given up", mail=str(mail.pk), template=mail.template)
