from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from events.ids import uuid7
from pricing.constraints import chargeable
from pricing.models.plan import PlanVersion
from pricing.money import Money


class Quote(models.Model):
    """A price worked out for one version and country, frozen with its reasons. A trigger refuses to change it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    version = models.ForeignKey(PlanVersion, on_delete=models.PROTECT, related_name="quotes")
    country_code = models.CharField(max_length=2, blank=True, help_text="As asked; empty when nobody knew.")
    zone_code = models.CharField(max_length=1)
    multiplier = models.DecimalField(max_digits=5, decimal_places=2)
    base_minor = models.BigIntegerField(help_text="The list price, in the version's currency.")
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    reasons = models.JSONField(default=list)
    user_id = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 (nobody is not the user "")
    principal = models.CharField(max_length=300, blank=True, help_text="Who asked for it under the key.")
    idempotency_key = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 (absent is not empty)
    created_at = models.DateTimeField(editable=False)
    expires_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["principal", "idempotency_key"], name="one_quote_per_key"),
            models.CheckConstraint(condition=Q(amount_minor__gte=0), name="quote_amount_not_negative"),
            models.CheckConstraint(
                condition=Q(amount_minor__gt=0) | Q(base_minor=0), name="quote_is_free_only_for_a_free_plan"
            ),
            models.CheckConstraint(condition=Q(expires_at__gt=F("created_at")), name="quote_expires_after_it_is_made"),
            chargeable("amount_minor", "quote_amount_chargeable"),
        )
        indexes = (models.Index(fields=["expires_at"], name="quote_expiry"),)

    def __str__(self) -> str:
        return f"{self.amount} in {self.country_code or '??'}"

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)
