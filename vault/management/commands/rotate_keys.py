"""Seal what older keys sealed with the newest one."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from vault import keyring, rotation


class Command(BaseCommand):
    help = "Seal every encrypted value anew with the newest key. May run under load, be killed, and be repeated."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the size of a step, and what else to seal."""
        parser.add_argument("--batch", type=int, default=rotation.BATCH, help="rows in one transaction")
        parser.add_argument("--plain", action="store_true", help="also seal what an older release wrote in plain")

    def handle(self, *args: Any, **options: Any) -> None:
        """Rotate each table, and exit 1 when a row could not be."""
        console = Console(soft_wrap=True)
        reports = [self._one(model, options, console) for model in rotation.sealed_models()]
        for place in (place for report in reports for place in report.unreadable[:20]):
            console.print(place)
        rotated, left = sum(r.rotated for r in reports), sum(r.left for r in reports)
        unreadable = sum(len(r.unreadable) for r in reports)
        console.print(f"key {keyring.newest().id}: {rotated} rows rotated, {left} locked, {unreadable} not readable")
        if left or unreadable:
            raise CommandError("Not all is sealed with the newest key: keep the older ones, and run this again.")

    @staticmethod
    def _one(model: Any, options: dict[str, Any], console: Console) -> rotation.Report:
        if options["plain"]:
            console.print(f"{model._meta.db_table}: {rotation.seal_plain(model)} plain rows sealed")
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console) as progress:
            task = progress.add_task(model._meta.db_table, total=rotation.to_do(model))
            return rotation.rotate(model, batch=options["batch"], done=lambda rows: progress.advance(task, rows))
