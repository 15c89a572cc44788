from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from events.ids import uuid7


class TrialUse(models.Model):
    """A trial that was taken: once for each customer and product line, and once for each card."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    customer = models.ForeignKey("billing.Customer", on_delete=models.PROTECT, related_name="trials")
    product_line = models.SlugField(max_length=100)
    card_fingerprint = models.CharField(max_length=64, blank=True, help_text="A hash of Stripe's name of the card.")
    order = models.ForeignKey("billing.SubscriptionOrder", on_delete=models.PROTECT, null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["customer", "product_line"], name="one_trial_per_customer"),
            models.UniqueConstraint(
                fields=["card_fingerprint", "product_line"],
                condition=~Q(card_fingerprint=""),
                name="one_trial_per_card",
            ),
        )

    def __str__(self) -> str:
        return f"{self.customer_id} {self.product_line}"
