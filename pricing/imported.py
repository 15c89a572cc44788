from __future__ import annotations

from django.db import models

from events.ids import uuid7


class ZoneImport(models.Model):
    """One bulk change of countries that was asked for under a key, and what was answered."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    principal = models.CharField(max_length=300)
    idempotency_key = models.CharField(max_length=255)
    request_hash = models.CharField(max_length=64)
    answer = models.JSONField()
    created_at = models.DateTimeField()

    class Meta:
        app_label = "pricing"
        constraints = (
            models.UniqueConstraint(fields=["principal", "idempotency_key"], name="one_zone_import_per_key"),
        )

    def __str__(self) -> str:
        return f"{self.created_at} by {self.principal}"
