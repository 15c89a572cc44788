"""Let a member of staff who lost the authenticator and the recovery codes enrol anew."""

from __future__ import annotations

import getpass
from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError

from config import second_factor
from events import context


class Command(BaseCommand):
    help = "Remove a staff member's authenticator and recovery codes; prints the code to enrol a new one with."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take whose, and why."""
        parser.add_argument("--user", required=True)
        parser.add_argument("--why", required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        """Remove them."""
        user = User.objects.filter(username=options["user"]).first()
        if user is None:
            raise CommandError(f"There is no member of staff named {options['user']}.")
        with context.acting(f"operator:{getpass.getuser()}"):
            removed = second_factor.forget(user, why=options["why"])
            code = second_factor.invite(user, why=options["why"])
        self.stdout.write(f"{removed} removed; {user} enrols anew with the enrolment code {code}, within three days.")
