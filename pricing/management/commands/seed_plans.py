from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from events import clock
from pricing import catalog, seeding, tables


class Command(BaseCommand):
    help = "Bring pricing/catalog/plans.toml into the database. May be repeated; keeps what staff changed since."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take --dry-run and --force."""
        parser.add_argument("--dry-run", action="store_true", help="Show what would change, and write nothing.")
        parser.add_argument("--force", action="store_true", help="Take back what staff changed since the last seed.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Seed and show."""
        dry_run, force = options["dry_run"], options["force"]
        lines = seeding.seed_plans(catalog.plans(), dry_run=dry_run, force=force, at=clock.now())
        tables.show("seed_plans", lines, dry_run=dry_run, out=self.stdout)
