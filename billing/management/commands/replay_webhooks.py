"""Look again at what events were about."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.progress import Progress

from billing import replays
from billing.management.spans import span
from events import clock, context


class Command(BaseCommand):
    help = "Look again at what Stripe's events were about: those that fit everything asked. May be repeated."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take which events, and whether only to count."""
        parser.add_argument("--id", default="", help="one event: evt_...")
        parser.add_argument("--type", default="", help="such as invoice.paid, or invoice.*")
        parser.add_argument("--since", type=span, help="received in the last 30m, 2h, 7d")
        parser.add_argument("--dead", action="store_true", help="those that were given up: they get twelve new tries")
        parser.add_argument("--reason", default="", help="why, for history")
        parser.add_argument("--by", default="operator", help="who does it, for history")
        parser.add_argument("--dry-run", action="store_true", help="only count")

    def handle(self, *args: Any, **options: Any) -> None:
        """Replay, with a bar."""
        asked = {name: options[name] for name in ("id", "type", "dead")}
        since = clock.now() - options["since"] if options["since"] else None
        if not any(asked.values()) and since is None:
            raise CommandError("Which? Name --id, --type, --since or --dead.")
        events = replays.chosen(**asked, since=since)
        count = events.count()
        if options["dry_run"]:
            self.stdout.write(f"would replay {count} events")
            return
        acting = context.acting(f"staff:{options['by']}", because=options["reason"])
        with acting, Progress(transient=True) as progress:
            bar = progress.add_task("Replaying", total=count)
            looked = replays.replay_all(events, lambda done: progress.update(bar, completed=done))
        self.stdout.write(f"replayed {count} events: {looked} objects looked at")
