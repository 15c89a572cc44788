"""A row that a client's POST makes: it carries the client's key, and is the point to recover from."""

from __future__ import annotations

from django.db import models


class Asked(models.Model):
    """Who asked for this row, under which Idempotency-Key, with which body.

    `attempt` is part of Stripe's idempotency key and grows only after a definite failure.
    """

    principal = models.CharField(max_length=300)
    idempotency_key = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 (absent is not empty)
    request_hash = models.CharField(max_length=64, blank=True)
    busy_until = models.DateTimeField(null=True, blank=True, help_text="Somebody speaks to Stripe about it until then.")
    attempt = models.PositiveSmallIntegerField(default=1)

    class Meta:
        abstract = True
