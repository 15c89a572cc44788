from __future__ import annotations

from typing import Any

from rest_framework import serializers

from config.api.masking import Masked


class MoneyFields(Masked, serializers.ModelSerializer[Any]):
    """`amount` in integer minor units, `currency` in capitals, `amount_decimal` as people write it."""

    amount = serializers.IntegerField(source="amount.minor", help_text="In minor units.")
    currency = serializers.SerializerMethodField()
    amount_decimal = serializers.CharField(source="amount.decimal")

    def get_currency(self, row: Any) -> str:
        """Show the currency in capitals (ruling 16)."""
        return str(row.amount.currency).upper()
