"""What Farebox counts about itself, as Prometheus reads it."""

from __future__ import annotations

import re

import httpx

from proof.settings import Settings

WEBHOOKS = re.compile(r'^webhook_events_total\{status="(\w+)"\} (\S+)$', re.MULTILINE)


def webhooks(settings: Settings) -> dict[str, int]:
    """Return how many of Stripe's events are stored, by status."""
    headers = {"Authorization": f"Bearer {settings.metrics_token}"} if settings.metrics_token else {}
    answer = httpx.get(f"{settings.url}/metrics", headers=headers, timeout=30, trust_env=False)
    shown = answer.raise_for_status().text
    return {status: int(float(count)) for status, count in WEBHOOKS.findall(shown)}
