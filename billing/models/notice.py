from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from events.ids import uuid7


class Notice(models.Model):
    """Something that a customer was told, once for each occasion."""

    class Kind(models.TextChoices):
        TRIAL_ENDING = "trial_ending"
        RENEWAL_COMING = "renewal_coming"
        PAYMENT_FAILED = "payment_failed"
        PAYMENT_RECOVERED = "payment_recovered"
        SUBSCRIPTION_CANCELED = "subscription_canceled"
        REFUNDED = "refunded"
        CARD_EXPIRING = "card_expiring"
        PRICE_PROPOSED = "price_proposed"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=32, choices=Kind)
    customer = models.ForeignKey("billing.Customer", on_delete=models.PROTECT, related_name="notices")
    object = models.CharField(max_length=300, help_text="What it is about, such as subscription:<id>.")
    occasion = models.CharField(max_length=100, blank=True, help_text="Which time, where there may be several.")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = (models.UniqueConstraint(fields=["kind", "object", "occasion"], name="told_once_per_occasion"),)
        indexes = (models.Index(fields=["customer", "-id"], name="notice_of_customer"),)

    def __str__(self) -> str:
        return f"{self.kind} {self.object}"
