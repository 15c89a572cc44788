from __future__ import annotations

from django.db import models
from django.db.models import Q

from events.ids import uuid7
from pricing.money import Money


class PaymentAttempt(models.Model):
    """One try to take the money of a payment: Stripe's charge."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    payment = models.ForeignKey("billing.Payment", on_delete=models.CASCADE, related_name="attempts")
    stripe_id = models.CharField(max_length=255, unique=True)
    status = models.CharField(max_length=32, help_text="Stripe's word: succeeded, pending or failed.")
    failure_code = models.CharField(max_length=100, blank=True)
    decline_code = models.CharField(max_length=100, blank=True)
    card_country = models.CharField(max_length=2, blank=True)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    tried_at = models.DateTimeField()

    class Meta:
        constraints = (models.CheckConstraint(condition=Q(amount_minor__gte=0), name="attempt_amount"),)
        ordering = ("tried_at", "id")

    def __str__(self) -> str:
        return f"{self.amount} {self.status}"

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)
