from __future__ import annotations

from typing import Any

from rest_framework import serializers

from billing.models import Checkout, Payment, Refund, RefundApproval, Subscription
from config.api import fields
from config.api.masking import Masked, hidden, hidden_values, tail
from config.api.strict import Strict


class MoneyFields(Masked, serializers.ModelSerializer[Any]):
    """`amount` in integer minor units, `currency` in capitals, `amount_decimal` as people write it."""

    amount = serializers.IntegerField(source="amount.minor", help_text="In minor units.")
    currency = serializers.SerializerMethodField()
    amount_decimal = serializers.CharField(source="amount.decimal")

    def get_currency(self, row: Any) -> str:
        """Show the currency in capitals (ruling 16)."""
        return str(row.amount.currency).upper()


class NewCheckout(Strict):
    plan_id = fields.Slug(max_length=100)
    country_code = fields.Pattern(r"^[A-Za-z]{2}\Z", help_text="ISO 3166-1 alpha-2: the country of the buyer.")
    success_url = fields.Url(max_length=2000)
    cancel_url = fields.Url(max_length=2000)
    quote_id = fields.Uuid(required=False, help_text="A quote that the buyer was shown; else a new one is made.")
    base_price = fields.Amount(
        required=False,
        help_text="What you believe the plan costs in zone A, in minor units: refused if wrong.",
    )
    user_id = fields.Text(required=False, max_length=255, help_text="For whom; admins only. A user buys for himself.")


class CheckoutSerializer(MoneyFields):
    # Whoever has the url stands where the buyer stands.
    masked = {"url": hidden, "stripe_id": tail}
    amount = serializers.IntegerField(source="quote.amount.minor", help_text="In minor units.")
    amount_decimal = serializers.CharField(source="quote.amount.decimal")
    user_id = serializers.CharField(source="customer.user_id")
    plan_id = serializers.CharField(source="quote.version.plan_id")
    country_code = serializers.CharField(source="quote.country_code")
    zone = serializers.CharField(source="quote.zone_code")
    payment_id = serializers.UUIDField(source="payment.id", default=None, allow_null=True)
    subscription_id = serializers.UUIDField(source="subscription.id", default=None, allow_null=True)

    class Meta:
        model = Checkout
        fields = (
            "id",
            "status",
            "mode",
            "url",
            "user_id",
            "plan_id",
            "quote_id",
            "country_code",
            "zone",
            "amount",
            "currency",
            "amount_decimal",
            "payment_id",
            "subscription_id",
            "stripe_id",
            "expires_at",
            "created_at",
        )

    def get_currency(self, row: Checkout) -> str:
        """Show the quote's currency."""
        return row.quote.currency.upper()


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


class NewRefund(Strict):
    """`reason_needed` in the context makes the reason a field that must be there."""

    payment_id = fields.Uuid(required=False)
    transaction_id = fields.Uuid(required=False, help_text="Another name of payment_id.")
    amount = fields.Amount(required=False, min_value=1, help_text="In minor units; all that is left without it.")
    reason = fields.Choice(choices=Refund.Reason.choices, required=False, default="")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Take the payment by either name, but one."""
        if self.context.get("reason_needed") and not attrs["reason"]:
            raise serializers.ValidationError({"reason": "Your role gives money back only with a reason."})
        named = {attrs.pop(name) for name in ("payment_id", "transaction_id") if name in attrs}
        if len(named) != 1:
            raise serializers.ValidationError({"payment_id": "Name one payment, by payment_id or transaction_id."})
        return {**attrs, "payment_id": named.pop()}


class RefundSerializer(MoneyFields):
    masked = {"stripe_id": tail, "failure_reason": hidden}

    class Meta:
        model = Refund
        fields = (
            "id",
            "payment_id",
            "status",
            "amount",
            "currency",
            "amount_decimal",
            "reason",
            "failure_reason",
            "stripe_id",
            "created_at",
        )


class NewRefundApproval(NewRefund):
    """What one admin asks another for: as a refund is asked for, with a reason always."""

    reason = fields.Choice(choices=Refund.Reason.choices)


class RefundApprovalSerializer(MoneyFields):
    class Meta:
        model = RefundApproval
        fields = (
            "id",
            "payment_id",
            "status",
            "amount",
            "currency",
            "amount_decimal",
            "reason",
            "principal",
            "decided_by",
            "refund_id",
            "status_at",
            "created_at",
        )


class SubscriptionSerializer(Masked, serializers.ModelSerializer[Subscription]):
    masked = {"stripe_id": tail, "stripe_customer_id": tail}
    user_id = serializers.CharField(source="customer.user_id")
    plan_id = serializers.CharField(source="version.plan_id")
    cancel_at_period_end = serializers.BooleanField()
    stripe_customer_id = serializers.CharField(source="customer.stripe_id", allow_null=True)

    class Meta:
        model = Subscription
        fields = (
            "id",
            "status",
            "user_id",
            "plan_id",
            "quote_id",
            "checkout_id",
            "product_line",
            "started_at",
            "current_period_start",
            "current_period_end",
            "trial_end",
            "cancel_at",
            "cancel_at_period_end",
            "canceled_at",
            "ended_at",
            "stripe_id",
            "stripe_customer_id",
            "created_at",
            "updated_at",
        )


class CancelQuery(Strict):
    mode = fields.Choice(choices=["at_period_end", "immediate"], default="at_period_end")


class PaymentQuery(Strict):
    status = fields.Choice(choices=Payment.Status.choices, required=False)


class Received(serializers.Serializer[Any]):
    received = serializers.BooleanField()
    duplicate = serializers.BooleanField()
