from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from events.ids import uuid7
from pricing.money import Money


class SubscriptionItem(models.Model):
    """One line of a subscription: the plan itself (`main`), or what is billed beside it. Its price is locked."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    subscription = models.ForeignKey("billing.Subscription", on_delete=models.CASCADE, related_name="items")
    stripe_id = models.CharField(max_length=255, unique=True)
    quote = models.ForeignKey("pricing.Quote", on_delete=models.PROTECT, related_name="+")
    version = models.ForeignKey("pricing.PlanVersion", on_delete=models.PROTECT, related_name="+")
    quantity = models.PositiveIntegerField(default=1)
    main = models.BooleanField(default=False)
    created_at = models.DateTimeField(db_default=Now())
    removed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["subscription"], condition=Q(main=True, removed_at=None), name="one_main_item"
            ),
        )

    def __str__(self) -> str:
        return f"{self.quantity} x {self.stripe_id}"

    @property
    def amount(self) -> Money:
        """What one of it costs in each period."""
        return Money(self.quote.amount_minor, self.quote.currency)
