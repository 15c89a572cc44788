from __future__ import annotations

from rest_framework import serializers

from billing.models import Checkout
from billing.serializers.money import MoneyFields
from config.api import fields
from config.api.masking import hidden, tail
from config.api.strict import Strict


class NewCheckout(Strict):
    plan_id = fields.Slug(max_length=100)
    country_code = fields.Pattern(
        r"^[A-Za-z]{2}\Z", like="IN", help_text="ISO 3166-1 alpha-2: the country of the buyer."
    )
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
