"""Seal what happened since the last seal."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from events import keys, sealing, witness


class Command(BaseCommand):
    help = "Sign the events that no seal covers yet, and write the seals to the second place. Beat does it too."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--public-key", action="store_true", help="Only print the key that verifies the seals.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["public_key"]:
                self.stdout.write(keys.public(keys.signing()))
                return
            sealed, written = sealing.seal_all(), witness.bear()
        except (keys.NoSigningKey, witness.WitnessDiffers) as reason:
            raise CommandError(str(reason)) from None
        self.stdout.write(f"{sealed} events sealed; {written} seals written to {witness.file()}.")
