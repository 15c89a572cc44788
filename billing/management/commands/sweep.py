"""The sweeper: looks at what Stripe told us and nobody has looked at, with no broker in between."""

from __future__ import annotations

import signal
import threading
from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

import structlog
from django.core.management.base import BaseCommand
from django.db import DatabaseError, close_old_connections, connection

from billing import gaps, sync
from events import mail

FILL_SECONDS = 300.0

log = structlog.get_logger("farebox.sweeper")
# The worker sends; this is for the day on which there is none.
MAIL_OVERDUE = timedelta(minutes=3)


class Command(BaseCommand):
    help = "Look at Stripe objects whose events wait, for ever or once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take how often, and whether to end after one round."""
        parser.add_argument("--every", type=float, default=1.0, help="seconds between rounds")
        parser.add_argument("--once", action="store_true", help="one round, then end")

    def handle(self, *args: Any, **options: Any) -> None:
        """Sweep until told to stop. Postgres away for a while is waited for."""
        stop = threading.Event()
        if not options["once"]:
            # Beside the sweeping: after a long silence the list is long, and the sweeper may be all that works.
            threading.Thread(target=_fill, args=(stop,), name="gaps", daemon=True).start()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        while not stop.is_set():
            try:
                sync.sweep()
                mail.send_due(overdue=MAIL_OVERDUE)
            except DatabaseError as reason:
                if options["once"]:
                    raise
                log.warning("postgres away", reason=type(reason).__name__)
            close_old_connections()
            if options["once"]:
                return
            stop.wait(options["every"])


def _fill(stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            gaps.try_fill()
        except Exception:
            log.exception("gaps not filled")
        finally:
            connection.close()
        stop.wait(FILL_SECONDS)
