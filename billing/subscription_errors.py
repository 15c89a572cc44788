"""What can go wrong with a subscription, beside what `errors` names for all of billing."""

from __future__ import annotations

from billing.errors import BillingError, StripeRefused
from pricing.money import Money


class NotRecurring(BillingError):
    code = "plan_not_recurring"
    field = "plan_id"

    def __init__(self, plan_id: str):
        super().__init__(f"Plan {plan_id} is paid once: buy it by a checkout session.")


class PriceUnknown(BillingError):
    code = "price_unknown"
    field = "price_id"

    def __init__(self, price_id: str):
        super().__init__(f"{price_id} is no price of a plan that is on sale.")


class PaymentMethodUnknown(BillingError):
    code = "payment_method_unknown"
    field = "payment_method"

    def __init__(self, stripe_id: str):
        super().__init__(f"{stripe_id} is no payment method of this user.")


class PaymentMethodElsewhere(StripeRefused):
    code = "payment_method_of_another_currency"
    field = "payment_method"

    def __init__(self, stripe_id: str, currency: str):
        super().__init__(
            f"{stripe_id} pays in another currency, and Stripe keeps it to that: give a card for {currency.upper()}."
        )


class TrialUsed(BillingError):
    code = "trial_used"
    field = "trial_days"

    def __init__(self, product_line: str):
        super().__init__(f"This user or this card has had a trial in the product line {product_line}: ask for 0 days.")


class TrialTooLong(BillingError):
    code = "trial_too_long"
    field = "trial_days"

    def __init__(self, asked: int, most: int):
        super().__init__(f"{asked} days asked, {most} at most.")


class OrderFailed(BillingError):
    code = "subscription_order_failed"

    def __init__(self, reason: str):
        super().__init__(f"No subscription came of this order: {reason} Order again with another Idempotency-Key.")


class ItemsDiffer(BillingError):
    code = "items_differ"
    field = "items"

    def __init__(self, plan_id: str):
        super().__init__(f"Plan {plan_id} has another billing cycle or currency, or is there twice.")


class OtherProductLine(BillingError):
    code = "other_product_line"
    field = "plan_id"

    def __init__(self, plan_id: str, product_line: str):
        super().__init__(f"Plan {plan_id} is not of the product line {product_line}: subscribe to it beside this one.")


class NotChangeable(BillingError):
    code = "subscription_not_changeable"

    def __init__(self, why: str):
        super().__init__(f"The subscription cannot be changed now: {why}.")


class NothingChanges(BillingError):
    code = "nothing_changes"

    def __init__(self) -> None:
        super().__init__("The subscription is what you ask for already.")


class PriceMoved(BillingError):
    """What a change costs now is not what was shown."""

    code = "price_moved"

    def __init__(self, shown: Money, now: Money):
        super().__init__(f"{shown} was shown, {now} would be charged: preview the change again.")


class PreviewGone(BillingError):
    code = "preview_gone"
    field = "preview_id"

    def __init__(self) -> None:
        super().__init__("The preview has expired, or the subscription has changed since: preview the change again.")


class NothingToReactivate(BillingError):
    code = "nothing_to_reactivate"

    def __init__(self, status: str):
        super().__init__(f"The subscription is {status} and goes on: there is nothing to reactivate.")


class NotPaused(BillingError):
    code = "subscription_not_paused"

    def __init__(self, status: str):
        super().__init__(f"The subscription is {status} and collects: there is nothing to resume.")


class NotProposable(BillingError):
    code = "price_not_proposable"

    def __init__(self, reason: str):
        super().__init__(f"No other price can be proposed: {reason}.")


class NoProposal(BillingError):
    code = "no_proposed_price"

    def __init__(self) -> None:
        super().__init__("No other price was proposed for this subscription.")
