"""Give a person what we hold of him."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.core.serializers.json import DjangoJSONEncoder

from billing import persons
from events import clock, context


class Command(BaseCommand):
    help = "Write everything that is held of one user of the product to standard output, as JSON. History notes it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take whose, and who asks."""
        parser.add_argument("--user", required=True, help="the product's id of the user")
        parser.add_argument("--by", default="operator", help="who does it, for the history")

    def handle(self, *args: Any, **options: Any) -> None:
        """Export."""
        with context.acting(f"staff:{options['by']}"):
            found = persons.export(options["user"], at=clock.now())
        self.stdout.write(json.dumps(found, cls=DjangoJSONEncoder, indent=2))
