from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from billing.models.asked import Asked
from events.ids import uuid7
from vault.fields import BlindIndexField, EncryptedTextField


class Customer(Asked):
    """Who pays: a user of the product, and Stripe's customer for him once he first needs one.

    E-mail, name and country are what was last said: here (`changed_at`), or at Stripe.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user_id = models.CharField(max_length=255, unique=True)
    stripe_id = models.CharField(
        max_length=255, null=True, blank=True, unique=True, help_text="The first that is open of his Stripe customers."
    )
    email = EncryptedTextField(blank=True)
    email_index = BlindIndexField(of="email")
    name = EncryptedTextField(blank=True)
    country = models.CharField(max_length=2, blank=True, help_text="ISO 3166-1 alpha-2.")
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())
    changed_at = models.DateTimeField(null=True, blank=True, help_text="When this was last said here, not at Stripe.")
    erased_at = models.DateTimeField(null=True, blank=True, help_text="When what named the person was erased.")

    class Meta:
        constraints = (models.UniqueConstraint(fields=["principal", "idempotency_key"], name="one_customer_per_key"),)
        indexes = (models.Index(fields=["country"], name="customer_country"),)

    def __str__(self) -> str:
        return self.user_id


class StripeCustomer(models.Model):
    """One customer at Stripe. Most people have one; whoever subscribes in two currencies has two.

    `currency` is what Stripe has locked it to, empty before. `asked_at` is when it was first asked for with the key of
    this `attempt`. Nothing new is bought with a closed one, but what was bought with it is still found by its id.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    customer = models.ForeignKey("billing.Customer", on_delete=models.PROTECT, related_name="stripe_customers")
    stripe_id = models.CharField(max_length=255, null=True, blank=True, unique=True)
    currency = models.CharField(max_length=3, blank=True)
    attempt = models.PositiveSmallIntegerField(default=1)
    asked_at = models.DateTimeField(null=True, blank=True)
    told_at = models.DateTimeField(null=True, blank=True, help_text="When Stripe took what was last said here.")
    looked_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True, help_text="Deleted at Stripe, or another has its currency.")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["customer", "currency"], condition=Q(closed_at=None), name="one_stripe_customer_per_currency"
            ),
        )
        indexes = (models.Index(fields=["created_at"], name="stripe_customer_unknown", condition=Q(stripe_id=None)),)

    def __str__(self) -> str:
        return self.stripe_id or "not known yet"


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
