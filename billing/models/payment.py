from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from billing.models.asked import Asked
from events.ids import uuid7
from events.moves import Moving, Table
from pricing.models import PlanVersion
from pricing.money import Money


class Payment(Moving, Asked):
    """One amount that a customer owes or paid, and Stripe's payment intent for it.

    `refunded_minor` is the sum of the refunds that are asked for or done; a failed one gives its amount back.
    `lost_minor` is what banks took back for good by disputes.
    """

    class Status(models.TextChoices):
        PENDING = "pending"
        REQUIRES_ACTION = "requires_action"
        PROCESSING = "processing"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        CANCELED = "canceled"

    NEXT: ClassVar[Table] = {
        Status.PENDING: {
            Status.REQUIRES_ACTION,
            Status.PROCESSING,
            Status.SUCCEEDED,
            Status.FAILED,
            Status.CANCELED,
        },
        Status.REQUIRES_ACTION: {Status.PROCESSING, Status.SUCCEEDED, Status.FAILED, Status.CANCELED},
        # Stripe cancels one that it works on in rare cases only, but then it is canceled.
        Status.PROCESSING: {Status.REQUIRES_ACTION, Status.SUCCEEDED, Status.FAILED, Status.CANCELED},
        # One intent can be declined and then paid.
        Status.FAILED: {Status.REQUIRES_ACTION, Status.PROCESSING, Status.SUCCEEDED, Status.CANCELED},
        Status.SUCCEEDED: set(),
        Status.CANCELED: set(),
    }

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    customer = models.ForeignKey("billing.Customer", on_delete=models.PROTECT, related_name="payments")
    checkout = models.OneToOneField("billing.Checkout", on_delete=models.PROTECT, null=True, blank=True)
    subscription = models.ForeignKey(
        "billing.Subscription", on_delete=models.PROTECT, null=True, blank=True, related_name="payments"
    )
    quote = models.ForeignKey("pricing.Quote", on_delete=models.PROTECT, null=True, blank=True, related_name="payments")
    principal = models.CharField(max_length=300, blank=True, help_text="Empty where a checkout or an invoice made it.")
    confirms = models.BooleanField(default=False, help_text="We confirm it, with the payment method that was named.")
    stripe_id = models.CharField(max_length=255, null=True, blank=True, unique=True)
    stripe_invoice_id = models.CharField(max_length=255, blank=True)
    stripe_charge_id = models.CharField(max_length=255, blank=True)
    stripe_payment_method_id = models.CharField(max_length=255, blank=True)
    amount_minor = models.BigIntegerField()
    captured_minor = models.BigIntegerField(default=0)
    refunded_minor = models.BigIntegerField(default=0)
    lost_minor = models.BigIntegerField(default=0)
    disputed = models.BooleanField(default=False, help_text="A dispute is open, or was lost.")
    currency = models.CharField(max_length=3)
    description = models.CharField(max_length=255, blank=True)
    order_id = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 (absent is not empty)
    method_type = models.CharField(max_length=32, blank=True)
    card_country = models.CharField(max_length=2, blank=True)
    failure_code = models.CharField(max_length=100, blank=True)
    failure_reason = models.TextField(blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    looked_at = models.DateTimeField(null=True, blank=True)
    paid_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["principal", "idempotency_key"], name="one_payment_per_key"),
            # One that nobody will pay any more leaves its order to another.
            models.UniqueConstraint(
                fields=["principal", "order_id"], name="one_payment_per_order", condition=~Q(status="canceled")
            ),
            models.CheckConstraint(condition=Q(amount_minor__gte=0), name="payment_amount"),
            models.CheckConstraint(
                condition=Q(captured_minor__gte=0, captured_minor__lte=F("amount_minor")), name="captured_in_amount"
            ),
            models.CheckConstraint(
                condition=Q(refunded_minor__gte=0, refunded_minor__lte=F("captured_minor")), name="refunded_in_captured"
            ),
            models.CheckConstraint(
                condition=Q(lost_minor__gte=0, lost_minor__lte=F("captured_minor") - F("refunded_minor")),
                name="refunded_lost_in_captured",
            ),
            models.CheckConstraint(
                condition=~Q(status="succeeded") | Q(captured_minor__gt=0) | Q(amount_minor=0), name="paid_is_captured"
            ),
        )
        indexes = (
            models.Index(fields=["customer", "-id"], name="payment_of_customer"),
            models.Index(fields=["status"], name="payment_status"),
            models.Index(fields=["order_id"], name="payment_order"),
        )

    def __str__(self) -> str:
        return f"{self.amount} {self.status}"

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)

    @property
    def bought(self) -> PlanVersion | None:
        """What it pays for once; None for a subscription, or for what only the product knows."""
        quote = self.checkout.quote if self.checkout else self.quote
        return quote.version if quote else None

    @property
    def left(self) -> Money:
        """What can still be refunded."""
        return Money(self.captured_minor - self.refunded_minor - self.lost_minor, self.currency)

    @classmethod
    def shown_as(cls, status: str) -> Q:
        """Name the rows whose `shown_status` is this one."""
        paid, none, all = Q(status=cls.Status.SUCCEEDED), Q(refunded_minor=0), Q(refunded_minor=F("captured_minor"))
        shown = {
            "succeeded": paid & none,
            "partially_refunded": paid & ~none & ~all,
            "refunded": paid & ~none & all,
        }
        return shown.get(status, Q(status=status))

    @property
    def shown_status(self) -> str:
        """The status as the source documents know it: refunds are amounts, shown as a status (rulings 5 and 6)."""
        if self.status != self.Status.SUCCEEDED or not self.refunded_minor:
            return self.status
        return "refunded" if self.refunded_minor == self.captured_minor else "partially_refunded"
