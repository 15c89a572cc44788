"""A row that a client's POST makes: it carries the client's key, and is the point to recover from."""

from __future__ import annotations

from django.db import models

from events.asking import Keyed


class Asked(Keyed):
    """Who asked for this row, under which Idempotency-Key, with which body.

    `attempt` is part of Stripe's idempotency key and grows only after a definite failure.
    """

    busy_until = models.DateTimeField(null=True, blank=True, help_text="Somebody speaks to Stripe about it until then.")
    attempt = models.PositiveSmallIntegerField(default=1)

    class Meta:
        abstract = True
