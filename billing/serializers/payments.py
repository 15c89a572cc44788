from __future__ import annotations

from rest_framework import serializers

from billing.models import Payment
from billing.serializers.money import MoneyFields
from config.api import fields
from config.api.masking import hidden, hidden_values, tail
from config.api.strict import Strict


class PaymentSerializer(MoneyFields):
    masked = {
        "external_payment_id": tail,
        "stripe_payment_method_id": tail,
        "failure_reason": hidden,
        "metadata": hidden_values,
    }
    status = serializers.ChoiceField(
        source="shown_status", choices=[*Payment.Status.values, "partially_refunded", "refunded"]
    )
    user_id = serializers.CharField(source="customer.user_id")
    amount_refunded = serializers.IntegerField(source="refunded_minor", help_text="In minor units.")
    amount_lost = serializers.IntegerField(source="lost_minor", help_text="Taken back by banks for good; minor units.")
    external_payment_id = serializers.CharField(
        source="stripe_id", allow_null=True, help_text="Stripe's payment intent."
    )

    class Meta:
        model = Payment
        fields = (
            "id",
            "status",
            "user_id",
            "customer_id",
            "amount",
            "currency",
            "amount_decimal",
            "amount_refunded",
            "amount_lost",
            "disputed",
            "description",
            "order_id",
            "method_type",
            "stripe_payment_method_id",
            "external_payment_id",
            "failure_code",
            "failure_reason",
            "checkout_id",
            "subscription_id",
            "metadata",
            "paid_at",
            "created_at",
            "updated_at",
        )


class PaymentQuery(Strict):
    status = fields.Choice(choices=Payment.Status.choices, required=False)
