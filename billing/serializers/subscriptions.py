from __future__ import annotations

from rest_framework import serializers

from billing.models import Subscription
from config.api import fields
from config.api.masking import Masked, tail
from config.api.strict import Strict


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
