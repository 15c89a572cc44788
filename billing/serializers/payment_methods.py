from __future__ import annotations

from typing import Any

from rest_framework import serializers

from billing.models import CardSetup, PaymentMethod
from config.api import fields
from config.api.masking import Masked, tail
from config.api.strict import Strict

FOR_WHOM = "Whose; admins only. A user acts for himself."
CURRENCY_HELP = "Of the subscription that it is for, when that is not in the currency of the others."


class NewSetup(Strict):
    user_id = fields.Text(required=False, max_length=255, help_text=FOR_WHOM)
    currency = fields.Pattern(r"^[A-Za-z]{3}\Z", like="USD", required=False, help_text=CURRENCY_HELP)


class NewPaymentMethod(NewSetup):
    payment_method_id = fields.Pattern(
        r"^(pm|seti)_[A-Za-z0-9_]{1,240}\Z",
        like="pm_1AbC or seti_1AbC",
        help_text="Stripe's id of the method (`pm_`), or of a setup that the buyer has finished (`seti_`).",
    )


class CardSetupSerializer(Masked, serializers.ModelSerializer[CardSetup]):
    """The row, and of Stripe's intent (in the context) what a browser needs."""

    masked = {"client_secret": lambda _: None, "setup_intent_id": tail}
    setup_intent_id = serializers.SerializerMethodField()
    client_secret = serializers.SerializerMethodField(help_text="For Stripe.js. It is not kept here: do not keep it.")
    status = serializers.SerializerMethodField()

    class Meta:
        model = CardSetup
        fields = ("id", "setup_intent_id", "client_secret", "status", "created_at")

    def get_setup_intent_id(self, _row: CardSetup) -> str:
        """Name Stripe's intent."""
        return self._told("id")

    def get_client_secret(self, _row: CardSetup) -> str:
        """Give the secret on."""
        return self._told("client_secret")

    def get_status(self, _row: CardSetup) -> str:
        """Say how far the buyer is."""
        return self._told("status")

    def _told(self, name: str) -> str:
        intent: dict[str, Any] = self.context["intent"]
        return str(intent[name])


class PaymentMethodSerializer(Masked, serializers.ModelSerializer[PaymentMethod]):
    masked = {"stripe_payment_method_id": tail}
    user_id = serializers.CharField(source="customer.user_id")
    stripe_payment_method_id = serializers.CharField(source="stripe_id")
    method_type = serializers.CharField(source="type")

    class Meta:
        model = PaymentMethod
        fields = (
            "id",
            "user_id",
            "customer_id",
            "method_type",
            "brand",
            "last4",
            "exp_month",
            "exp_year",
            "card_country",
            "is_default",
            "stripe_payment_method_id",
            "attached_at",
            "detached_at",
            "created_at",
        )
