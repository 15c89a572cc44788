"""Compare our books with Stripe's."""

from __future__ import annotations

import json
import re
from argparse import ArgumentParser, ArgumentTypeError
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.table import Table

from billing import reconcile
from events import clock

UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def span(text: str) -> timedelta:
    """Read 30m, 2h or 7d."""
    if not (found := re.fullmatch(r"(\d{1,5})([mhd])", text)):
        raise ArgumentTypeError(f"{text!r} is no span such as 30m, 2h or 7d")
    return timedelta(**{UNITS[found[2]]: int(found[1])})


class Command(BaseCommand):
    help = "Compare payments, subscriptions and refunds with Stripe's. Exits 1 when they differ."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the window, and the form of the answer."""
        parser.add_argument("--since", type=span, default=timedelta(days=1), help="such as 30m, 2h, 7d")
        parser.add_argument(
            "--dry-run", action="store_true", help="only compare: look at nothing again, open no finding"
        )
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        """Compare, show, and settle what differs in state."""
        since = clock.now() - options["since"]
        report = reconcile.compare(since=since)
        if report.differences and not options["dry_run"]:
            reconcile.settle(report, since=since)
        if options["json"]:
            self.stdout.write(json.dumps(asdict(report)))
        else:
            self._show(report)
        if report.differences:
            raise CommandError(f"{len(report.differences)} differences", returncode=1)

    def _show(self, report: reconcile.Report) -> None:
        console = Console()
        table = Table("Stripe object", "difference", "ours", "Stripe's")
        for difference in report.differences:
            table.add_row(difference.object, difference.kind, difference.ours, difference.theirs)
        if report.differences:
            console.print(table)
        counts = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in report.compared.items())
        console.print(f"compared {counts}: {len(report.differences)} differences")
