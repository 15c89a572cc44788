from __future__ import annotations

from billing.models import Dispute
from billing.serializers.money import MoneyFields
from config.api import fields
from config.api.masking import tail
from config.api.strict import Strict


class DisputeSerializer(MoneyFields):
    masked = {"stripe_id": tail}

    class Meta:
        model = Dispute
        fields = (
            "id",
            "payment_id",
            "status",
            "amount",
            "currency",
            "amount_decimal",
            "reason",
            "evidence_due_at",
            "stripe_id",
            "opened_at",
            "closed_at",
            "created_at",
        )


class DisputeQuery(Strict):
    status = fields.Choice(choices=Dispute.Status.choices, required=False)
    payment_id = fields.Uuid(required=False)
