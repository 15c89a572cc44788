"""Make a token to try the API with."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any

import jwt
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from config.api.authentication import Role
from config.api.tokens import LONGEST_LIFE_SECONDS, LONGEST_SERVICE_LIFE_SECONDS


class Command(BaseCommand):
    help = "Print a bearer token for a user of the product, on a machine that holds JWT_SECRET."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take whose token, in which role, for how long."""
        parser.add_argument("--user", required=True, help="the user's id in the product")
        parser.add_argument("--role", default=Role.USER, choices=[role for role in Role if role != Role.ANONYMOUS])
        parser.add_argument("--minutes", type=int, help="15 at most and by default; 5 for a service")

    def handle(self, *args: Any, **options: Any) -> None:
        """Sign and print it."""
        if not settings.JWT_ALGORITHM.startswith("HS"):
            raise CommandError("Tokens are signed by whoever holds the private key of AUTH_PUBLIC_KEY, not here.")
        longest = (LONGEST_SERVICE_LIFE_SECONDS if options["role"] == Role.SERVICE else LONGEST_LIFE_SECONDS) // 60
        minutes = options["minutes"] or longest
        if not 0 < minutes <= longest:
            raise CommandError(f"A token of this role lives 1 to {longest} minutes.")
        now = int(time.time())
        claims = {
            "sub": options["user"],
            "role": options["role"],
            "iss": settings.JWT_ISSUER,
            "aud": settings.JWT_AUDIENCE,
            "iat": now,
            "exp": now + minutes * 60,
        }
        self.stdout.write(jwt.encode(claims, settings.JWT_SECRET, algorithm=settings.JWT_ALGORITHM))
