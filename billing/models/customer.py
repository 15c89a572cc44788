from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from events.ids import uuid7
from vault.fields import BlindIndexField, EncryptedTextField


class Customer(models.Model):
    """Who pays: a user of the product, and Stripe's customer for him once he first needs one."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user_id = models.CharField(max_length=255, unique=True)
    stripe_id = models.CharField(max_length=255, null=True, blank=True, unique=True)
    email = EncryptedTextField(blank=True, help_text="As the buyer told Stripe.")
    email_index = BlindIndexField(of="email")
    name = EncryptedTextField(blank=True, help_text="As the buyer told Stripe.")
    created_at = models.DateTimeField(db_default=Now())
    erased_at = models.DateTimeField(null=True, blank=True, help_text="When what named the person was erased.")

    def __str__(self) -> str:
        return self.user_id


class StripePrice(models.Model):
    """A price made at Stripe for one plan version at one amount. Immutable there, so another amount is another row."""

    lookup_key = models.CharField(max_length=255, primary_key=True)
    version = models.ForeignKey("pricing.PlanVersion", on_delete=models.PROTECT, related_name="+")
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    stripe_id = models.CharField(max_length=255, unique=True)
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return self.lookup_key
