"""Compare our books with Stripe's."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from billing import reconcile
from billing.at_stripe.lists import Window
from billing.errors import BillingError
from billing.management import adopting
from billing.management.spans import span
from events import clock

NOT_DONE = 3


class Command(BaseCommand):
    help = "Compare our books with Stripe's, look again at what differs, and open findings. Exits 1 when some is left."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the window, and the form of the answer."""
        parser.add_argument("--since", type=span, default=timedelta(days=1), help="how long ago: 30m, 2h, 7d")
        parser.add_argument("--until", type=span, help="how long ago the window ends; without it: now")
        parser.add_argument("--kind", action="append", choices=reconcile.KINDS, help="only this one; may be repeated")
        parser.add_argument(
            "--dry-run", action="store_true", help="only compare: look at nothing again, open no finding"
        )
        parser.add_argument("--json", action="store_true")
        adopting.add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Compare or adopt."""
        try:
            self._adopt(options) if options["adopt"] else self._compare(options)
        except BillingError as reason:
            raise CommandError(str(reason), returncode=NOT_DONE) from None

    def _adopt(self, options: dict[str, Any]) -> None:
        with Bar() as bar:
            found = adopting.run(options, bar)
        if options["json"]:
            self.stdout.write(json.dumps(adopting.plain(found)))
        else:
            adopting.show(found, dry_run=options["dry_run"])
        if found.left:
            raise CommandError(f"{len(found.left)} left as they are", returncode=1)

    def _compare(self, options: dict[str, Any]) -> None:
        now = clock.now()
        window = Window(now - options["since"], now - options["until"] if options["until"] else None)
        go = reconcile.compare if options["dry_run"] else reconcile.run
        with Bar() as bar:
            report = go(window, kinds=options["kind"] or reconcile.KINDS, seen=bar.seen)
        if options["json"]:
            self.stdout.write(json.dumps(asdict(report)))
        else:
            self._show(report)
        if report.left:
            raise CommandError(f"{len(report.left)} differences", returncode=1)

    def _show(self, report: reconcile.Report) -> None:
        console = Console()
        table = Table("object", "difference", "ours", "Stripe's", "")
        for one in report.differences:
            table.add_row(one.object, one.kind, one.ours, one.theirs, "" if one in report.left else "healed")
        if report.differences:
            console.print(table)
        counts = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in report.compared.items())
        healed = len(report.differences) - len(report.left)
        console.print(f"compared {counts}: {len(report.differences)} differences, {healed} healed", soft_wrap=True)
        if report.closed:
            console.print(f"{report.closed} findings closed")


class Bar:
    """What is being compared, for whoever watches a terminal. Stripe does not say how much a list holds."""

    def __init__(self) -> None:
        console = Console(file=sys.stderr)
        columns = (SpinnerColumn(), TextColumn("{task.description} {task.completed:,.0f}"), TimeElapsedColumn())
        self.progress = Progress(*columns, console=console, disable=not console.is_terminal)
        self.rows: dict[str, Any] = {}

    def __enter__(self) -> Bar:
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def seen(self, kind: str) -> None:
        """Count one."""
        if kind not in self.rows:
            self.rows[kind] = self.progress.add_task(kind.replace("_", " "), total=None)
        self.progress.advance(self.rows[kind])
