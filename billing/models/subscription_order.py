from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from billing.models.asked import Asked
from events.ids import uuid7
from events.moves import Moving, Table


class SubscriptionOrder(Moving, Asked):
    """One wish to subscribe without Stripe's page. The subscription that comes of it has the same id."""

    class Status(models.TextChoices):
        OPEN = "open"
        COMPLETE = "complete"
        FAILED = "failed"

    NEXT: ClassVar[Table] = {
        Status.OPEN: {Status.COMPLETE, Status.FAILED},
        Status.COMPLETE: set(),
        Status.FAILED: set(),
    }

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    customer = models.ForeignKey("billing.Customer", on_delete=models.PROTECT, related_name="subscription_orders")
    quote = models.ForeignKey("pricing.Quote", on_delete=models.PROTECT, related_name="+")
    product_line = models.SlugField(max_length=100)
    quantity = models.PositiveIntegerField(default=1)
    extras = models.JSONField(default=list, blank=True, help_text="What is billed beside the plan: quote_id, quantity.")
    payment_method_id = models.CharField(max_length=255, blank=True)
    trial_days = models.PositiveSmallIntegerField(default=0)
    previous = models.ForeignKey(
        "billing.Subscription", on_delete=models.PROTECT, null=True, blank=True, related_name="successor_orders"
    )
    stripe_id = models.CharField(max_length=255, null=True, blank=True, unique=True)
    failure_reason = models.CharField(max_length=255, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["principal", "idempotency_key"], name="one_subscription_order_per_key"),
            models.UniqueConstraint(
                fields=["customer", "product_line"], condition=Q(status="open"), name="one_open_subscription_order"
            ),
            models.CheckConstraint(condition=Q(quantity__gte=1), name="subscription_order_quantity"),
        )
        indexes = (models.Index(fields=["created_at"], name="subscription_order_open", condition=Q(status="open")),)

    def __str__(self) -> str:
        return f"{self.id} {self.status}"
