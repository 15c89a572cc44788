"""Make dj-stripe's tables the fast way, on an empty database of one's own."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.utils import DEFAULT_DB_ALIAS

from billing import mirror_tables


class Command(BaseCommand):
    help = "Make dj-stripe's tables in one pass and record its migrations as applied. Not for production: use migrate."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--database", default=DEFAULT_DB_ALIAS)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            made = mirror_tables.create(options["database"])
        except mirror_tables.HalfMade as reason:
            raise CommandError(str(reason)) from None
        self.stdout.write("dj-stripe's tables are made." if made else "dj-stripe's tables are there already.")
