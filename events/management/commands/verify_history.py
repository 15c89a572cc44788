"""Verify history, or export it for the verifier that stands alone."""

from __future__ import annotations

import sys
from contextlib import closing
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection, transaction
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.timezone import is_naive, make_aware
from rich.console import Console
from rich.progress import track

from events import export, verification
from events.keys import NoSigningKey
from events.verification import Scope


class Command(BaseCommand):
    help = (
        "Verify every row of history against its hash, its chain, its seal and the second place, and name the first"
        " altered one. Exit code 1 when there is one. --subject and --since verify a part, or go on after a stop."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--subject", help="Only this one's chain, such as user:42, and all seals.")
        parser.add_argument("--since", help="Only what was written since, such as 2026-11-01 or 2026-11-01T12:00Z.")
        parser.add_argument("--export", metavar="FILE", help="Write all of it, for docs/verify_history.py.")

    def handle(self, *args: Any, **options: Any) -> None:
        scope = Scope(options["subject"], _moment(options["since"]))
        with transaction.atomic():
            _freeze()
            if options["export"]:
                written = export.write(options["export"])
                self.stdout.write(f"{written} lines written to {options['export']}.")
                return
            self._verify(scope)

    def _verify(self, scope: Scope) -> None:
        total = scope.count()
        try:
            fault = _first_fault(scope, total)
        except NoSigningKey as reason:
            raise CommandError(str(reason), returncode=2) from None
        if fault:
            raise CommandError(fault, returncode=1)
        seals, unsealed = verification.last_seal(), verification.unsealed()
        self.stdout.write(f"{total} events and {seals} seals hold; {unsealed} events are not sealed yet.")


def _first_fault(scope: Scope, total: int) -> str:
    console = Console(file=sys.stderr)
    # Closed before the transaction ends: it reads by a cursor of the server.
    with closing(verification.chains(scope)) as walk:
        for row, wrong in track(walk, "Events", total=total, console=console, disable=not console.is_terminal):
            if wrong:
                return f"{row} of {row.created_at}: {wrong}"
    return next(verification.seals(scope), "")


def _freeze() -> None:
    """See one moment of the database, whatever is written meanwhile; and sort for as long as it takes."""
    with connection.cursor() as cursor:
        if not connection.savepoint_ids:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        cursor.execute("SET LOCAL statement_timeout = 0")


def _moment(text: str | None) -> Any:
    if text is None:
        return None
    day = parse_date(text) if len(text) == len("2026-11-01") else None
    found = parse_datetime(f"{day}T00:00:00Z") if day else parse_datetime(text)
    if found is None:
        raise CommandError(f"{text} is no time: write 2026-11-01, or 2026-11-01T12:00:00Z.", returncode=2)
    return make_aware(found) if is_naive(found) else found
