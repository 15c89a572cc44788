"""Ask whether money, access and history hold together."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction
from rich.console import Console
from rich.table import Table

from billing import invariants
from billing.management.spans import span
from events import clock
from events.invariants import Invariant


class Command(BaseCommand):
    help = "Check what must hold between money, access and history, whatever happened. Reads only. Exits 1 when broken."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the window, and the form of the answer."""
        parser.add_argument(
            "--since", type=span, default="35d", help="how far back history is read, such as 7d; all else is read whole"
        )
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        """Check, and name the rows that break a rule."""
        with transaction.atomic(), connection.cursor() as cursor:
            # Nobody waits for it as for a request, and over years of rows a rule takes its time.
            cursor.execute("SET LOCAL statement_timeout = '10min'")
            broken = invariants.broken(since=clock.now() - options["since"])
        if options["json"]:
            self.stdout.write(json.dumps({rule.name: rows for rule, rows in broken.items()}))
        else:
            self._show(broken)
        if broken:
            raise CommandError(f"{len(broken)} broken: {', '.join(rule.name for rule in broken)}", returncode=1)

    @staticmethod
    def _show(broken: dict[Invariant, list[str]]) -> None:
        table = Table("rule", "why", "rows that break it")
        for rule in invariants.ALL:
            table.add_row(rule.name, rule.why, "\n".join(broken.get(rule, ["none"])))
        Console().print(table)
