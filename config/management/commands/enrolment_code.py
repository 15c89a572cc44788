"""Let a member of staff enrol an authenticator."""

from __future__ import annotations

import getpass
from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError

from config import second_factor
from events import context


class Command(BaseCommand):
    help = "Print a code, good once and for three days, with which a member of staff enrols an authenticator."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take whose, and why."""
        parser.add_argument("--user", required=True)
        parser.add_argument("--why", required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        """Issue it."""
        user = User.objects.filter(username=options["user"], is_staff=True).first()
        if user is None:
            raise CommandError(f"There is no member of staff named {options['user']}.")
        try:
            with context.acting(f"operator:{getpass.getuser()}"):
                code = second_factor.invite(user, why=options["why"])
        except second_factor.EnrolledAlready:
            raise CommandError(f"{user} has an authenticator: manage.py forget_second_factor comes first.") from None
        self.stdout.write(code)
