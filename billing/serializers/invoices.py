from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from rest_framework import serializers

from billing.models import Invoice, InvoiceLine
from billing.serializers.money import MoneyFields
from config.api import fields
from config.api.masking import hidden, tail
from config.api.strict import Strict


class InvoiceLineSerializer(MoneyFields):
    tax = serializers.IntegerField(source="tax_minor", help_text="In minor units, as Stripe computed it.")

    class Meta:
        model = InvoiceLine
        fields = (
            "id",
            "description",
            "amount",
            "currency",
            "amount_decimal",
            "tax",
            "quantity",
            "proration",
            "period_start",
            "period_end",
        )


class InvoiceSerializer(MoneyFields):
    """`amount` is the total, taxes included; the period is the one that the lines cover."""

    masked = {"hosted_invoice_url": hidden, "invoice_pdf": hidden, "stripe_id": tail}
    user_id = serializers.CharField(source="customer.user_id")
    subtotal = serializers.IntegerField(source="subtotal_minor", help_text="In minor units, like all that follow.")
    tax = serializers.IntegerField(source="tax_minor", help_text="As Stripe computed it.")
    amount_due = serializers.IntegerField(source="amount_due_minor")
    amount_paid = serializers.IntegerField(source="amount_paid_minor")
    amount_remaining = serializers.IntegerField(source="amount_remaining_minor")
    due_date = serializers.DateTimeField(source="due_at", allow_null=True)

    class Meta:
        model = Invoice
        fields: tuple[str, ...] = (
            "id",
            "status",
            "user_id",
            "customer_id",
            "subscription_id",
            "number",
            "billing_reason",
            "amount",
            "currency",
            "amount_decimal",
            "subtotal",
            "tax",
            "amount_due",
            "amount_paid",
            "amount_remaining",
            "period_start",
            "period_end",
            "attempt_count",
            "next_payment_attempt_at",
            "due_date",
            "finalized_at",
            "paid_at",
            "voided_at",
            "marked_uncollectible_at",
            "hosted_invoice_url",
            "invoice_pdf",
            "stripe_id",
            "created_at",
            "updated_at",
        )


class InvoiceWithLinesSerializer(InvoiceSerializer):
    lines = InvoiceLineSerializer(many=True)

    class Meta(InvoiceSerializer.Meta):
        fields = (*InvoiceSerializer.Meta.fields, "lines")


class StatusQuery(Strict):
    status = fields.Choice(choices=Invoice.Status.choices, required=False)


class InvoiceQuery(StatusQuery):
    """The period of an invoice overlaps the one that is asked for, `[period_start, period_end)`."""

    user_id = fields.Text(required=False, max_length=255)
    subscription_id = fields.Uuid(required=False)
    period_start = fields.Moment(required=False)
    period_end = fields.Moment(required=False)
    created_from = fields.Moment(required=False)
    created_before = fields.Moment(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse spans that end before they begin."""
        refuse_backwards(attrs, "period_start", "period_end")
        refuse_backwards(attrs, "created_from", "created_before")
        return attrs


class NewInvoice(Strict):
    """Whom to bill: one subscription, or all that waits for a user."""

    subscription_id = fields.Uuid(required=False)
    user_id = fields.Text(required=False, max_length=255)
    period_start = fields.Moment(required=False, help_text="Only what is for a span that begins then or later.")
    period_end = fields.Moment(required=False, help_text="Only what is for a span that ends by then.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Take one of the two names, and a period that does not end before it begins."""
        if ("subscription_id" in attrs) == ("user_id" in attrs):
            raise serializers.ValidationError({"subscription_id": "Name a subscription or a user, and only one."})
        refuse_backwards(attrs, "period_start", "period_end")
        return attrs


def refuse_backwards(attrs: dict[str, Any], start: str, end: str) -> None:
    """Raise ValidationError for a span without a moment in it."""
    first, last = attrs.get(start), attrs.get(end)
    if isinstance(first, datetime) and isinstance(last, datetime) and last - first <= timedelta(0):
        raise serializers.ValidationError({end: f"It must be later than {start}."})
