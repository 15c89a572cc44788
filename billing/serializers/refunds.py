from __future__ import annotations

from typing import Any

from rest_framework import serializers

from billing.models import Refund, RefundApproval
from billing.serializers.money import MoneyFields
from config.api import fields
from config.api.masking import hidden, tail
from config.api.strict import Strict


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


class RefundQuery(Strict):
    status = fields.Choice(choices=Refund.Status.choices, required=False)
    payment_id = fields.Uuid(required=False)
    user_id = fields.Text(required=False, max_length=255)


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
