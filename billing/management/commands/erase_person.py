"""Erase what names a person."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from billing import persons
from billing.errors import StillSubscribed
from billing.models import StripeCustomer
from events import clock, context


class Command(BaseCommand):
    help = "Erase what names one user of the product. The ledger and the history stay, without a name. May be repeated."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take whose, why, and who asks."""
        parser.add_argument("--user", required=True, help="the product's id of the user")
        parser.add_argument("--reason", required=True, help="such as a ticket's number: it stays in the history")
        parser.add_argument("--by", default="operator", help="who does it, for the history")
        parser.add_argument("--dry-run", action="store_true", help="only count")

    def handle(self, *args: Any, **options: Any) -> None:
        """Erase, and say what is left to do elsewhere."""
        user_id, dry_run = options["user"], options["dry_run"]
        try:
            with context.acting(f"staff:{options['by']}"):
                erased = persons.erase(user_id, reason=options["reason"], at=clock.now(), dry_run=dry_run)
        except StillSubscribed as refusal:
            raise CommandError(str(refusal)) from None
        counts = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in erased.items())
        self.stdout.write(f"{'would erase' if dry_run else 'erased'}: {counts}")
        known = StripeCustomer.objects.filter(customer__user_id=user_id).exclude(stripe_id=None)
        for stripe_id in known.values_list("stripe_id", flat=True):
            self.stdout.write(f"Stripe has its own copy: delete customer {stripe_id} there.")
