from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from events.ids import uuid7


class ServiceKey(models.Model):
    """One key of one service. The key itself is shown once and is not here."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=63, help_text="The service, such as checkout-backend; two keys may be live.")
    prefix = models.CharField(max_length=12, unique=True, help_text="The part that may be seen: fbk_<prefix>_...")
    digest = models.BinaryField(max_length=32)
    scopes = ArrayField(models.CharField(max_length=20))
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, help_text="To the hour.")

    class Meta:
        constraints = (
            models.CheckConstraint(condition=Q(expires_at__gt=F("created_at")), name="service_key_lives"),
            models.CheckConstraint(condition=~Q(scopes=[]), name="service_key_has_scopes"),
        )
        indexes = (models.Index(fields=["name"], name="service_key_name"),)

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix})"
