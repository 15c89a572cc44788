from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from billing.models.asked import Asked
from events.ids import uuid7
from events.moves import Moving, Table
from pricing.money import Money
from vault.fields import EncryptedTextField

STRIPE = "stripe"


class Invoice(Moving, Asked):
    """What a customer is asked to pay for a period: our row follows Stripe's invoice.

    One that we were asked to make is a draft without `stripe_id` at first; `asked` holds what it shall bill, so that
    a repeated call to Stripe is the same call. The period is the one that its lines cover.
    """

    class Status(models.TextChoices):
        DRAFT = "draft"
        OPEN = "open"
        PAID = "paid"
        VOID = "void"
        UNCOLLECTIBLE = "uncollectible"
        DELETED = "deleted"

    NEXT: ClassVar[Table] = {
        Status.DRAFT: {Status.OPEN, Status.DELETED},
        Status.OPEN: {Status.PAID, Status.VOID, Status.UNCOLLECTIBLE},
        Status.UNCOLLECTIBLE: {Status.PAID, Status.VOID},
        Status.PAID: set(),
        Status.VOID: set(),
        Status.DELETED: set(),
    }

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    customer = models.ForeignKey("billing.Customer", on_delete=models.PROTECT, related_name="invoices")
    subscription = models.ForeignKey(
        "billing.Subscription", on_delete=models.PROTECT, null=True, blank=True, related_name="invoices"
    )
    stripe_id = models.CharField(max_length=255, null=True, blank=True, unique=True)
    asked = models.JSONField(default=dict, blank=True, help_text="What Stripe was asked to bill.")
    number = models.CharField(max_length=100, blank=True)
    billing_reason = models.CharField(max_length=64, blank=True)
    currency = models.CharField(max_length=3)
    subtotal_minor = models.BigIntegerField(default=0)
    tax_minor = models.BigIntegerField(default=0)
    total_minor = models.BigIntegerField(default=0)
    amount_due_minor = models.BigIntegerField(default=0)
    amount_paid_minor = models.BigIntegerField(default=0)
    amount_remaining_minor = models.BigIntegerField(default=0)
    taxes = models.JSONField(default=list, blank=True, help_text="As Stripe computed them.")
    period_start = models.DateTimeField(null=True, blank=True)
    period_end = models.DateTimeField(null=True, blank=True)
    hosted_invoice_url = EncryptedTextField(blank=True, help_text="Stripe's page: who has the link sees the invoice.")
    invoice_pdf = EncryptedTextField(blank=True)
    attempt_count = models.PositiveIntegerField(default=0)
    next_payment_attempt_at = models.DateTimeField(null=True, blank=True)
    due_at = models.DateTimeField(null=True, blank=True)
    finalized_at = models.DateTimeField(null=True, blank=True)
    paid_at = models.DateTimeField(null=True, blank=True)
    voided_at = models.DateTimeField(null=True, blank=True)
    marked_uncollectible_at = models.DateTimeField(null=True, blank=True)
    looked_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["principal", "idempotency_key"], name="one_invoice_per_key"),
            models.CheckConstraint(
                condition=Q(amount_due_minor__gte=0, amount_paid_minor__gte=0), name="invoice_amounts_not_negative"
            ),
            models.CheckConstraint(
                condition=Q(status__in=["draft", "deleted"]) | Q(stripe_id__isnull=False), name="invoice_is_at_stripe"
            ),
        )
        indexes = (
            models.Index(fields=["customer", "-id"], name="invoice_of_customer"),
            models.Index(fields=["subscription", "-id"], name="invoice_of_subscription"),
            models.Index(
                fields=["created_at"], name="invoice_unfinished", condition=Q(status="draft") & ~Q(principal="stripe")
            ),
        )

    def __str__(self) -> str:
        return f"{self.number or self.billing_reason} {self.amount} {self.status}"

    @property
    def amount(self) -> Money:
        """What it asks for, before anything was paid."""
        return Money(self.total_minor, self.currency)


class InvoiceLine(models.Model):
    """What one amount of an invoice is for; `taxes` as Stripe computed them."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    invoice = models.ForeignKey("billing.Invoice", on_delete=models.CASCADE, related_name="lines")
    stripe_id = models.CharField(max_length=255)
    position = models.PositiveIntegerField()
    description = models.TextField(blank=True)
    amount_minor = models.BigIntegerField()
    tax_minor = models.BigIntegerField()
    quantity = models.BigIntegerField(null=True, blank=True)
    proration = models.BooleanField()
    period_start = models.DateTimeField()
    period_end = models.DateTimeField()
    taxes = models.JSONField(default=list, blank=True)

    class Meta:
        ordering = ("position",)
        constraints = (models.UniqueConstraint(fields=["invoice", "stripe_id"], name="one_row_per_invoice_line"),)

    def __str__(self) -> str:
        return f"{self.description} {self.amount}"

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.invoice.currency)
