from __future__ import annotations

from typing import Any

from rest_framework import serializers

from billing.models import Payment, PaymentAttempt
from billing.serializers.money import MoneyFields
from config.api import fields
from config.api.kept import Kept
from config.api.masking import hidden, hidden_values, tail
from config.api.strict import Strict

REFUNDED = ("partially_refunded", "refunded")
SHOWN = [*Payment.Status.values, *REFUNDED]
CURRENCY = r"^[A-Za-z]{3}\Z"
METHOD = r"^(pm_[A-Za-z0-9_]+|card|credit_card|debit_card)\Z"
# The spellings of the services before (rulings 1 and 2).
SPELLED = {"completed": "succeeded", "cancelled": "canceled"}


class AttemptSerializer(MoneyFields):
    masked = {"stripe_id": tail, "decline_code": hidden}

    class Meta:
        model = PaymentAttempt
        fields = (
            "id",
            "status",
            "amount",
            "currency",
            "amount_decimal",
            "failure_code",
            "decline_code",
            "card_country",
            "stripe_id",
            "tried_at",
        )


class PaymentSerializer(MoneyFields):
    masked = {
        "external_payment_id": tail,
        "stripe_payment_method_id": tail,
        "failure_reason": hidden,
        "metadata": hidden_values,
    }
    status = serializers.ChoiceField(source="shown_status", choices=SHOWN)
    user_id = serializers.CharField(source="customer.user_id")
    amount_refunded = serializers.IntegerField(source="refunded_minor", help_text="In minor units.")
    amount_lost = serializers.IntegerField(source="lost_minor", help_text="Taken back by banks for good; minor units.")
    external_payment_id = serializers.CharField(
        source="stripe_id", allow_null=True, help_text="Stripe's payment intent."
    )

    attempts = AttemptSerializer(many=True, read_only=True)

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
            "quote_id",
            "subscription_id",
            "metadata",
            "attempts",
            "paid_at",
            "created_at",
            "updated_at",
        )


class PaymentQuery(Strict):
    status = fields.Choice(choices=[*Payment.Status.values, *REFUNDED, *SPELLED], required=False)
    user_id = fields.Text(required=False, max_length=255)
    customer_id = fields.Uuid(required=False)
    order_id = fields.Text(required=False, max_length=255)
    currency = fields.Pattern(CURRENCY, like="USD", required=False)
    created_from = fields.Moment(required=False, help_text="RFC 3339, from this moment on.")
    created_to = fields.Moment(required=False, help_text="RFC 3339, before this moment.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Store spellings as we do (rulings 2 and 16)."""
        spelled = {"status": SPELLED.get(attrs.get("status", ""), attrs.get("status"))} if "status" in attrs else {}
        currency = {"currency": attrs["currency"].lower()} if "currency" in attrs else {}
        return {**attrs, **spelled, **currency}


class AskedPayment(Strict):
    """What every request for a payment may say."""

    amount = fields.Amount(required=False, min_value=1, help_text="In minor units. A user's counts with a quote only.")
    currency = fields.Pattern(CURRENCY, like="USD", required=False)
    quote_id = fields.Uuid(required=False, help_text="A quote of ours for a plan that is bought once: its amount.")
    user_id = fields.Text(required=False, max_length=255)


class NewPayment(AskedPayment):
    customer_id = fields.Uuid(required=False, help_text="Instead of user_id.")
    description = fields.Text(required=False, max_length=255, default="", allow_blank=True)
    payment_method = fields.Pattern(
        METHOD,
        like="pm_1AbC or card",
        required=False,
        max_length=255,
        help_text="A pm_ id, confirmed at once; or a kind of method.",
    )
    order_id = fields.Text(required=False, max_length=255, help_text="One payment for each order of a caller.")
    metadata = fields.Metadata(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Take the payer by one name. Who asks for others (`payer_needed` in the context) must name one."""
        named = [name for name in ("user_id", "customer_id") if name in attrs]
        if len(named) > 1 or (self.context.get("payer_needed") and not named):
            raise serializers.ValidationError({"user_id": "Name one payer, by user_id or customer_id."})
        return attrs


class NewPaymentIntent(AskedPayment):
    order_id = fields.Uuid(help_text="Without user_id the payment belongs to the user `order:<order_id>`.")


class MadePaymentSerializer(PaymentSerializer):
    """A payment as whoever asked for it gets it, once: the secret is Stripe's, and we do not keep it."""

    client_secret = serializers.SerializerMethodField(help_text="For the buyer's browser; null when nothing is to pay.")

    class Meta(PaymentSerializer.Meta):
        fields = (*PaymentSerializer.Meta.fields, "client_secret")  # type: ignore[assignment]

    def get_client_secret(self, row: Payment) -> str | None:
        """Show the secret that the view has read."""
        secret: str | None = self.context["client_secret"]
        return secret


class PaymentIntentSerializer(Kept):
    payment_id = serializers.UUIDField()
    client_secret = serializers.CharField(allow_null=True)
    status = serializers.CharField()


class NewStatus(Strict):
    status = fields.Choice(choices=["canceled", "succeeded", "failed", *SPELLED])
    reason = fields.Text(max_length=500, help_text="Why, for history. Name no person.")

    def validate_status(self, status: str) -> str:
        """Take the spellings of the services before."""
        return SPELLED.get(status, status)
