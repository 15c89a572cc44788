from __future__ import annotations

from typing import Any

from rest_framework import serializers

from billing import stripe_customers
from billing.models import Customer
from config.api import fields
from config.api.masking import Masked, hidden, tail
from config.api.strict import Strict


class Email(fields.Text, serializers.EmailField):
    """An e-mail address."""


class CustomerSaid(Strict):
    """What is said of a customer. A field that is left out stays as it is; none can be emptied, as at Stripe."""

    email = Email(required=False, max_length=254)
    name = fields.Text(required=False, max_length=255)
    country = fields.Pattern(
        r"^[A-Za-z]{2}\Z", like="IN", required=False, help_text="ISO 3166-1 alpha-2: where the customer lives."
    )

    def validate_country(self, country: str) -> str:
        """Keep it in capitals."""
        return country.upper()


class NewCustomer(CustomerSaid):
    user_id = fields.Text(required=False, max_length=255, help_text="Whom; admins only. A user makes himself.")


class CustomerQuery(Strict):
    user_id = fields.Text(required=False, max_length=255)
    email = Email(required=False, max_length=254, help_text="The whole address: it is kept sealed.")
    country = fields.Pattern(r"^[A-Za-z]{2}\Z", like="IN", required=False)


class CustomerSerializer(Masked, serializers.ModelSerializer[Customer]):
    masked = {"email": hidden, "name": hidden, "stripe_id": tail}
    email = serializers.CharField()
    name = serializers.CharField()
    stripe_behind = serializers.SerializerMethodField(help_text="Stripe has not heard the last change yet.")

    class Meta:
        model = Customer
        fields = (
            "id",
            "user_id",
            "email",
            "name",
            "country",
            "stripe_id",
            "stripe_behind",
            "created_at",
            "updated_at",
        )

    def get_stripe_behind(self, row: Customer) -> bool:
        """Say whether the janitor still has to tell Stripe."""
        rows: Any = row.stripe_customers.all()
        return any(one.stripe_id and not one.closed_at and stripe_customers.is_behind(one, row) for one in rows)
