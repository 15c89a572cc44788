from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from billing.models import Subscription, SubscriptionChange, SubscriptionItem, ZoneCheck
from billing.serializers.money import MoneyFields
from config.api import fields
from config.api.kept import Kept
from config.api.masking import Masked, tail
from config.api.strict import Strict
from pricing.money import Money

PRICE = r"^price_[A-Za-z0-9_]{1,240}\Z"
METHOD = r"^pm_[A-Za-z0-9_]{1,240}\Z"
MOST = 1_000_000


class SubscriptionItemSerializer(MoneyFields):
    masked = {"stripe_id": tail}
    plan_id = serializers.CharField(source="version.plan_id")
    plan_version = serializers.IntegerField(source="version.number")

    class Meta:
        model = SubscriptionItem
        fields = (
            "id",
            "plan_id",
            "plan_version",
            "quote_id",
            "quantity",
            "main",
            "amount",
            "currency",
            "amount_decimal",
            "stripe_id",
        )


class ChangedFeature(Kept):
    feature = serializers.CharField()
    before = serializers.DictField()
    after = serializers.DictField()


class AccessDifference(Kept):
    gained = serializers.ListField(child=serializers.CharField())
    lost = serializers.ListField(child=serializers.CharField())
    changed = ChangedFeature(many=True)


class ChangeSerializer(MoneyFields):
    amount = serializers.IntegerField(source="due_minor", help_text="What is charged now, in minor units.")
    next_amount = serializers.IntegerField(source="next_minor", help_text="The next invoice, in minor units.")
    next_amount_decimal = serializers.SerializerMethodField()
    plan_id = serializers.CharField(source="quote.version.plan_id")
    access = AccessDifference()

    class Meta:
        model = SubscriptionChange
        fields = (
            "id",
            "status",
            "subscription_id",
            "plan_id",
            "quantity",
            "quote_id",
            "when",
            "effective_at",
            "amount",
            "currency",
            "amount_decimal",
            "next_amount",
            "next_amount_decimal",
            "next_at",
            "access",
            "failure_reason",
            "expires_at",
            "created_at",
        )

    def get_next_amount_decimal(self, row: SubscriptionChange) -> str:
        """Write the next amount with its currency's places."""
        return Money(row.next_minor, row.currency).decimal


class ProposedPrice(Kept):
    """What each renewal costs if the buyer agrees; he is charged nothing more until he does."""

    amount = serializers.IntegerField(source="proposed.amount_minor", help_text="Of one, in minor units.")
    currency = serializers.CharField(source="proposed.currency")
    amount_decimal = serializers.CharField(source="proposed.amount.decimal")
    country_code = serializers.CharField(source="proposed.country_code")
    answer_until = serializers.DateTimeField()


class SubscriptionSerializer(Masked, serializers.ModelSerializer[Subscription]):
    masked = {"stripe_id": tail, "stripe_customer_id": tail}
    user_id = serializers.CharField(source="customer.user_id")
    plan_id = serializers.CharField(source="version.plan_id")
    cancel_at_period_end = serializers.BooleanField()
    stripe_customer_id = serializers.CharField(source="customer.stripe_id", allow_null=True)
    items = serializers.SerializerMethodField()
    pending_change = serializers.SerializerMethodField()
    proposed_price = serializers.SerializerMethodField()
    previous_subscription_id = serializers.UUIDField(source="previous_id", allow_null=True)

    class Meta:
        model = Subscription
        fields = (
            "id",
            "status",
            "user_id",
            "plan_id",
            "quote_id",
            "quantity",
            "items",
            "pending_change",
            "proposed_price",
            "checkout_id",
            "previous_subscription_id",
            "product_line",
            "started_at",
            "current_period_start",
            "current_period_end",
            "trial_end",
            "cancel_at",
            "cancel_at_period_end",
            "canceled_at",
            "ended_at",
            "paused_at",
            "resumes_at",
            "stripe_id",
            "stripe_customer_id",
            "created_at",
            "updated_at",
        )

    @extend_schema_field(SubscriptionItemSerializer(many=True))
    def get_items(self, row: Subscription) -> Any:
        """List what is billed, the plan first."""
        items = [item for item in row.items.all() if item.removed_at is None]
        items.sort(key=lambda item: (not item.main, item.pk))
        return SubscriptionItemSerializer(items, many=True, context=self.context).data

    @extend_schema_field(ChangeSerializer(allow_null=True))
    def get_pending_change(self, row: Subscription) -> Any:
        """Show the change that waits: for Stripe, for its money, or for the next period."""
        waiting = next((one for one in row.changes.all() if one.status in SubscriptionChange.OPEN), None)
        return waiting and ChangeSerializer(waiting, context=self.context).data

    @extend_schema_field(ProposedPrice(allow_null=True))
    def get_proposed_price(self, row: Subscription) -> Any:
        """Show the price that the buyer is asked to agree to."""
        open = next((one for one in row.zone_checks.all() if one.status == ZoneCheck.Status.PROPOSED), None)
        return open and ProposedPrice(open).data


class StartedSubscription(SubscriptionSerializer):
    """With what the buyer's browser needs where he must act: it is asked of Stripe each time, and never kept."""

    client_secret = serializers.SerializerMethodField()

    class Meta(SubscriptionSerializer.Meta):
        fields = (*SubscriptionSerializer.Meta.fields, "client_secret")  # type: ignore[assignment]

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_client_secret(self, _row: Subscription) -> Any:
        """Give the secret to pay or to save a card with; null when nothing is to be done."""
        return self.context["client_secret"]


def require_one_plan(attrs: dict[str, Any], *, needed: bool) -> dict[str, Any]:
    """Refuse two names of the plan, and none where one is `needed`."""
    if "plan_id" in attrs and "price_id" in attrs:
        raise serializers.ValidationError({"price_id": "Give either plan_id or price_id, not both."})
    if needed and not {"plan_id", "price_id"} & attrs.keys():
        raise serializers.ValidationError({"plan_id": "Give plan_id, or price_id."})
    return attrs


class ItemWish(Strict):
    """What stands beside the plan."""

    plan_id = fields.Slug(max_length=100, required=False)
    price_id = fields.Pattern(PRICE, like="price_1AbC", required=False)
    quantity = fields.Integer(min_value=1, max_value=MOST, default=1)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Take one name of one plan."""
        return require_one_plan(attrs, needed=True)


class NewSubscription(Strict):
    plan_id = fields.Slug(max_length=100, required=False)
    price_id = fields.Pattern(
        PRICE, like="price_1AbC", required=False, help_text="A price of Stripe's that names a plan of ours."
    )
    country_code = fields.Pattern(
        r"^[A-Za-z]{2}\Z", like="IN", help_text="ISO 3166-1 alpha-2: the country of the buyer."
    )
    payment_method = fields.Pattern(
        METHOD, like="pm_1AbC", required=False, help_text="Else the buyer pays with the client secret."
    )
    trial_days = fields.Integer(min_value=0, max_value=90, required=False, help_text="Left out: the plan's own.")
    quantity = fields.Integer(min_value=1, max_value=MOST, default=1)
    # The stubs know max_length only on the list that many=True makes of it.
    items = ItemWish(many=True, required=False, max_length=19, help_text="Beside the plan.")  # type: ignore[call-arg]
    quote_id = fields.Uuid(required=False, help_text="A quote that the buyer was shown; else a new one is made.")
    user_id = fields.Text(required=False, max_length=255, help_text="For whom; admins only. A user buys for himself.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Take one name of the plan."""
        return require_one_plan(attrs, needed=True)


class NewPreview(Strict):
    plan_id = fields.Slug(max_length=100, required=False)
    price_id = fields.Pattern(PRICE, like="price_1AbC", required=False)
    quantity = fields.Integer(min_value=1, max_value=MOST, required=False)
    items = ItemWish(many=True, required=False, max_length=19, help_text="All beside the plan.")  # type: ignore[call-arg]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Take something to change."""
        if not attrs:
            raise serializers.ValidationError({"plan_id": "Say what shall change: plan_id, quantity or items."})
        return require_one_plan(attrs, needed=False)


class SubscriptionPatch(NewPreview):
    preview_id = fields.Uuid(required=False, help_text="What was previewed; else say what shall change.")
    expected_amount = fields.Amount(required=False, help_text="What you expect to be charged now, in minor units.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Take a preview or a change, not both."""
        wanted = {name: value for name, value in attrs.items() if name not in ("preview_id", "expected_amount")}
        if "preview_id" in attrs and wanted:
            raise serializers.ValidationError({"preview_id": "Give either preview_id or what shall change."})
        if "preview_id" not in attrs:
            super().validate(wanted)
        return attrs


class Reactivation(Strict):
    payment_method = fields.Pattern(
        METHOD, like="pm_1AbC", required=False, help_text="For a successor of one that has ended."
    )
    country_code = fields.Pattern(
        r"^[A-Za-z]{2}\Z", like="IN", required=False, help_text="Left out: where it was bought before."
    )


class Pause(Strict):
    resumes_at = fields.Moment(required=False, help_text="RFC 3339 with an offset; left out: until it is resumed.")


class ConsentAnswer(Strict):
    accept = fields.Boolean(help_text="true: bill the proposed price from the next period on.")


class SubscriptionQuery(Strict):
    status = fields.Choice(choices=Subscription.Status.choices, required=False)
    user_id = fields.Text(required=False, max_length=255)
    plan_id = fields.Slug(required=False, max_length=100)
    product_line = fields.Slug(required=False, max_length=100)


class CancelQuery(Strict):
    mode = fields.Choice(choices=["at_period_end", "immediate"], default="at_period_end")
