from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from billing.models.asked import Asked
from events.ids import uuid7
from vault.fields import BlindIndexField, EncryptedTextField


class PaymentMethod(Asked):
    """A card or the like that a customer has at Stripe, by Stripe's id. What is on it in full is Stripe's alone.

    Before `attached_at` Stripe has been asked to attach it, and nobody knows yet. Its country is what the zone is held
    against; its fingerprint, sealed and found by its index, is the same for every use of one card number.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    customer = models.ForeignKey("billing.Customer", on_delete=models.PROTECT, related_name="payment_methods")
    stripe_customer = models.ForeignKey("billing.StripeCustomer", on_delete=models.PROTECT, related_name="+")
    stripe_id = models.CharField(max_length=255, unique=True)
    type = models.CharField(max_length=32)
    brand = models.CharField(max_length=32, blank=True)
    last4 = models.CharField(max_length=4, blank=True)
    exp_month = models.PositiveSmallIntegerField(null=True, blank=True)
    exp_year = models.PositiveSmallIntegerField(null=True, blank=True)
    card_country = models.CharField(max_length=2, blank=True)
    fingerprint = EncryptedTextField(blank=True)
    fingerprint_index = BlindIndexField(of="fingerprint")
    is_default = models.BooleanField(default=False)
    looked_at = models.DateTimeField(null=True, blank=True)
    attached_at = models.DateTimeField(null=True, blank=True)
    detached_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["principal", "idempotency_key"], name="one_payment_method_per_key"),
            models.UniqueConstraint(
                fields=["stripe_customer"], condition=Q(is_default=True), name="one_default_payment_method"
            ),
            models.CheckConstraint(
                condition=Q(is_default=False) | Q(attached_at__isnull=False, detached_at=None),
                name="default_is_attached",
            ),
        )
        indexes = (
            models.Index(fields=["customer", "-id"], name="payment_method_of_customer"),
            models.Index(fields=["created_at"], name="payment_method_unknown", condition=Q(attached_at=None)),
        )

    def __str__(self) -> str:
        return f"{self.brand or self.type} {self.last4}"


class CardSetup(Asked):
    """A try of a customer to leave a card for later, and Stripe's setup intent for it. Its secret is never kept."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    customer = models.ForeignKey("billing.Customer", on_delete=models.PROTECT, related_name="card_setups")
    currency = models.CharField(max_length=3, blank=True)
    stripe_id = models.CharField(max_length=255, null=True, blank=True, unique=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = (models.UniqueConstraint(fields=["principal", "idempotency_key"], name="one_card_setup_per_key"),)

    def __str__(self) -> str:
        return self.stripe_id or "not known yet"
