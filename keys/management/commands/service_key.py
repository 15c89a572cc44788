"""Make, revoke and list the keys of services."""

from __future__ import annotations

import getpass
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from config.api.authentication import Scope
from events import clock, context
from keys import service_keys
from keys.errors import KeysError
from keys.models import ServiceKey


class Command(BaseCommand):
    help = "Make, revoke or list the keys by which services come in. A new key is shown once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the verb and what it needs."""
        verbs = parser.add_subparsers(dest="verb", required=True)
        create = verbs.add_parser("create", help="make a key; to rotate, make a second one and revoke the first")
        create.add_argument("--name", required=True, help="the service, such as checkout-backend")
        create.add_argument("--scope", action="append", required=True, choices=[str(scope) for scope in Scope])
        create.add_argument("--days", type=int, default=90, help="how long it lives (90)")
        revoke = verbs.add_parser("revoke", help="end a key")
        revoke.add_argument("prefix", help="the part between fbk_ and the next _")
        revoke.add_argument("--why", required=True)
        verbs.add_parser("list", help="show every key, without its secret")

    def handle(self, *args: Any, verb: str, **options: Any) -> None:
        """Run the verb."""
        with context.acting(f"operator:{getpass.getuser()}"):
            try:
                {"create": self._create, "revoke": self._revoke, "list": self._list}[verb](options)
            except KeysError as reason:
                raise CommandError(str(reason)) from None

    def _create(self, options: dict[str, Any]) -> None:
        key, secret = service_keys.create(options["name"], options["scope"], days=options["days"], at=clock.now())
        self.stderr.write(f"{key}, until {key.expires_at:%Y-%m-%d}. This is the only sight of it:")
        self.stdout.write(secret.text)

    def _revoke(self, options: dict[str, Any]) -> None:
        key = service_keys.revoke(options["prefix"], why=options["why"], at=clock.now())
        self.stdout.write(f"{key} is revoked; every process refuses it within 60 s.")

    def _list(self, _options: dict[str, Any]) -> None:
        now = clock.now()
        for key in ServiceKey.objects.order_by("name", "created_at"):
            state = "revoked" if key.revoked_at else "live" if key.expires_at > now else "expired"
            used = f"{key.last_used_at:%Y-%m-%d %H:00}" if key.last_used_at else "never"
            scopes = ",".join(key.scopes)
            self.stdout.write(
                f"{key.prefix}  {state:<8} until {key.expires_at:%Y-%m-%d}  used {used}  {key.name}  {scopes}"
            )
