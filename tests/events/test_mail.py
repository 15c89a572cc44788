"""E-mails leave from a table, over real SMTP: with what they tell of, at least once, and never inside a transaction."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.conf import LazySettings
from django.db import IntegrityError, connection, transaction

from events import clock, mail
from events.models import Mail
from events.tasks import send_mail
from tests.events.mailbox import Mailbox

SAID = {"amount": "12.00 USD", "plan": "Pro & more", "next_try_on": None, "link": "https://pay.example/in_1"}


def queue(to: str = "anna@example.com", template: str = "payment_failed", user: str = "anna") -> Mail:
    with transaction.atomic():
        made = mail.queue(template, to=to, subject=f"user:{user}", said=SAID, at=clock.now())
    assert made
    return made


def due_again() -> None:
    """Let what was put off be due."""
    Mail.objects.update(due_at=clock.now() - timedelta(seconds=1))


def test_a_mail_leaves_once_with_text_and_html(mailbox: Mailbox) -> None:
    row = queue()

    assert [mail.send_due(), mail.send_due()] == [1, 0]

    (sent,) = mailbox.mails
    assert mailbox.envelopes == [("billing@example.com", ["anna@example.com"])]
    assert sent["Subject"] == "Your payment of 12.00 USD did not go through"
    assert (sent["From"], sent["To"]) == ("Farebox <billing@example.com>", "anna@example.com")
    assert sent["Message-ID"] == f"<{row.pk}@example.com>"
    text, html = (part.get_content() for part in sent.iter_parts())
    assert "for Pro & more" in text
    assert "https://pay.example/in_1" in text
    assert "for Pro &amp; more" in html
    assert "<img" not in html


def test_what_it_said_and_to_whom_is_sealed_and_then_forgotten(mailbox: Mailbox) -> None:
    """Personal data is little: once it has left, only that it left is known."""
    queue()
    with connection.cursor() as cursor:
        cursor.execute("SELECT recipient || context FROM events_mail")
        (stored,) = cursor.fetchone()
    assert "anna" not in stored
    assert "Pro" not in stored

    mail.send_due()

    row = Mail.objects.get()
    assert (row.status, row.recipient, row.context) == ("sent", "", "")


def test_a_mail_stands_or_falls_with_what_it_tells_of(mailbox: Mailbox) -> None:
    with pytest.raises(RuntimeError, match="inside the transaction"):
        mail.queue("refunded", to="anna@example.com", subject="user:anna", said={}, at=clock.now())

    with transaction.atomic():
        mail.queue("refunded", to="anna@example.com", subject="user:anna", said={}, at=clock.now())
        transaction.set_rollback(True)

    assert not Mail.objects.exists()


def test_without_a_server_or_an_address_nothing_is_queued(mailbox: Mailbox, settings: LazySettings) -> None:
    with transaction.atomic():
        assert mail.queue("refunded", to="", subject="user:anna", said={}, at=clock.now()) is None
        settings.EMAIL_URL = ""
        assert mail.queue("refunded", to="anna@example.com", subject="user:anna", said={}, at=clock.now()) is None

    assert mail.send_due() == 0
    assert not Mail.objects.exists()


def test_a_server_that_says_later_gets_it_later(mailbox: Mailbox) -> None:
    """Put off at growing intervals; one that is refused does not hold up the next."""
    queue()
    mailbox.refuse = "451 try later"
    assert mail.send_due() == 0
    row = Mail.objects.get()
    assert (row.status, row.attempts, row.last_error) == ("queued", 1, "SMTPRecipientsRefused")
    assert timedelta(seconds=50) < row.due_at - clock.now() <= timedelta(minutes=1)
    mailbox.refuse = ""

    assert mail.send_due() == 0
    due_again()
    assert mail.send_due() == 1


def test_a_server_that_is_away_costs_a_try(mailbox: Mailbox) -> None:
    queue()
    mailbox.close()

    assert mail.send_due() == 0

    row = Mail.objects.get()
    assert (row.status, row.attempts, row.last_error) == ("queued", 1, "ConnectionRefusedError")


def test_after_two_days_of_refusals_it_is_given_up_and_forgotten(mailbox: Mailbox) -> None:
    queue()
    mailbox.refuse = "550 nobody here"

    for _ in range(len(mail.WAITS) + 1):
        assert Mail.objects.get().status == "queued"
        mail.send_due()
        due_again()

    row = Mail.objects.get()
    assert (row.status, row.attempts, row.recipient) == ("failed", len(mail.WAITS) + 1, "")
    mailbox.refuse = ""
    assert mail.send_due() == 0
    with pytest.raises(IntegrityError, match="failed cannot become queued"):
        Mail.objects.update(status="queued")


def test_a_lost_answer_sends_it_again_under_the_same_name(mailbox: Mailbox) -> None:
    """At least once: the server took it and the line broke; its Message-ID tells that it is the same."""
    queue()
    mailbox.lose_answer = 1

    assert mail.send_due() == 0
    due_again()
    assert mail.send_due() == 1

    assert len({sent["Message-ID"] for sent in mailbox.mails}) == 1
    assert len(mailbox.mails) == 2


def test_a_worker_that_died_sending_is_followed_by_another(mailbox: Mailbox) -> None:
    """What it had claimed is due again when its time is over, and not before."""
    queue()
    mail._claim(clock.now(), timedelta(0))

    assert mail.send_due() == 0
    Mail.objects.update(due_at=clock.now() - timedelta(seconds=1))

    assert mail.send_due() == 1


def test_many_workers_send_each_once(mailbox: Mailbox) -> None:
    for number in range(60):
        queue(to=f"user{number}@example.com")
    gate = threading.Barrier(6)

    def work(_number: int) -> None:
        gate.wait()
        try:
            send_mail()
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))

    assert sorted(to for _, (to,) in mailbox.envelopes) == sorted(f"user{number}@example.com" for number in range(60))


def test_the_sweeper_steps_in_only_for_what_is_overdue(mailbox: Mailbox) -> None:
    """The worker has the first chance; without it mails wait for minutes, not for ever."""
    queue()

    assert mail.send_due(overdue=timedelta(minutes=3)) == 0
    Mail.objects.update(due_at=clock.now() - timedelta(minutes=4))
    assert mail.send_due(overdue=timedelta(minutes=3)) == 1


def test_a_template_that_cannot_be_filled_holds_up_no_other(mailbox: Mailbox) -> None:
    queue(template="no_such_template")
    queue()

    assert mail.send_due() == 1

    assert sorted(Mail.objects.values_list("status", flat=True)) == ["queued", "sent"]


def test_an_erased_person_gets_no_mail_that_still_waited(mailbox: Mailbox) -> None:
    queue()
    queue(user="ben", to="ben@example.com")

    assert mail.erase("user:anna", at=clock.now()) == 1

    assert mail.send_due() == 1
    assert mailbox.envelopes == [("billing@example.com", ["ben@example.com"])]
    anna = Mail.objects.get(subject="user:anna")
    assert (anna.status, anna.recipient, anna.context) == ("failed", "", "")


def test_a_line_break_makes_no_header(mailbox: Mailbox) -> None:
    """What a mail is filled with comes from names: none of them can add a header."""
    with transaction.atomic():
        mail.queue(
            "subscription_canceled",
            to="anna@example.com",
            subject="user:anna",
            said={"plan": "Pro\r\nBcc: eve@example.com", "ends_on": None},
            at=clock.now(),
        )

    mail.send_due()

    assert mailbox.envelopes == [("billing@example.com", ["anna@example.com"])]
    assert mailbox.mails[0]["Bcc"] is None
