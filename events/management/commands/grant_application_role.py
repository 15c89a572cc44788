"""Make the role that web, worker, beat and sweeper work as."""

from __future__ import annotations

import os
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from events import roles


class Command(BaseCommand):
    help = (
        "Let a database role work as Farebox, but not change history. Run it as the owner of the tables"
        " (DATABASE_URL=$DATABASE_OWNER_URL), after each migrate."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--role", required=True, help="Its name, such as farebox_app. Made when there is none.")
        # A password on the command line would stand in the list of processes.
        parser.add_argument(
            "--password-from", metavar="VARIABLE", help="Set its password from this environment variable."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        variable = options["password_from"]
        if variable and not os.environ.get(variable):
            raise CommandError(f"{variable} is not set.")
        try:
            roles.grant(options["role"], password=os.environ[variable] if variable else None)
        except roles.RoleTooStrong as reason:
            raise CommandError(str(reason)) from None
        self.stdout.write(f"{options['role']} may work as Farebox; history it may only read and append to.")
