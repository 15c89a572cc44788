"""What can go wrong with money, each in its own sentence. `config/errors.py` gives the HTTP status."""

from __future__ import annotations

from pricing.money import Money


class BillingError(Exception):
    code = "billing_error"
    field: str | None = None
    retry_after: int | None = None


class StripeUnknown(BillingError):
    """Stripe gave no answer that can be believed: it may have done the work, or not.

    `kept`: Stripe gives this answer to every request with this key, whose first one is over.
    """

    code = "stripe_unknown"
    retry_after = 5

    def __init__(self, reason: str, *, kept: bool = False):
        self.kept = kept
        super().__init__(f"Stripe has not answered yet ({reason}). Ask again with the same Idempotency-Key.")


class StripeRefused(BillingError):
    """Stripe said no, for good."""

    code = "stripe_refused"

    def __init__(self, message: str, *, stripe_code: str = ""):
        super().__init__(message)
        self.stripe_code = stripe_code


# Whoever tries stolen cards must not learn from us that he was seen: https://docs.stripe.com/declines/codes.
SECRET_DECLINES = {
    "fraudulent",
    "highest_risk_level",
    "lost_card",
    "merchant_blacklist",
    "pickup_card",
    "restricted_card",
    "security_violation",
    "stolen_card",
}


class CardDeclined(StripeRefused):
    """The bank, or Stripe, does not take the card: the buyer may try another.

    `decline_code` says why, as far as a buyer may know; `stripe_code` is Stripe's own code.
    """

    code = "card_declined"

    def __init__(self, message: str, *, stripe_code: str = "", decline_code: str = ""):
        named = decline_code or stripe_code
        self.decline_code = "generic_decline" if named in SECRET_DECLINES else named
        super().__init__(f"{message} ({self.decline_code})", stripe_code=stripe_code)


class BadSignature(BillingError):
    code = "bad_signature"

    def __init__(self, reason: str):
        super().__init__(f"The webhook's signature does not hold: {reason}")


class BadEvent(BillingError):
    code = "bad_event"

    def __init__(self) -> None:
        super().__init__("The webhook's body is no event of Stripe's.")


class LeaseLost(BillingError):
    code = "lease_lost"

    def __init__(self, stripe_id: str):
        super().__init__(f"Somebody else looks at {stripe_id} now.")


class KeyInFlight(BillingError):
    code = "idempotency_key_in_flight"
    retry_after = 2

    def __init__(self) -> None:
        super().__init__("The first request with this Idempotency-Key is still under way.")


class NothingToPay(BillingError):
    code = "nothing_to_pay"
    field = "plan_id"

    def __init__(self, plan_id: str):
        super().__init__(f"Plan {plan_id} is free: there is nothing to check out.")


class PriceMismatch(BillingError):
    """The client's own idea of the price differs from the plan's (ruling 25), or from his quote's."""

    code = "price_mismatch"

    def __init__(self, claimed: Money, ours: Money, *, field: str = "base_price"):
        self.field = field
        super().__init__(f"The plan costs {ours}, not {claimed}.")


class QuoteNotGood(BillingError):
    code = "quote_not_good"
    field = "quote_id"

    def __init__(self) -> None:
        super().__init__("The quote has expired, or is for another plan, country or user: ask for a new one.")


class BadReturnUrl(BillingError):
    code = "return_url_not_allowed"

    def __init__(self, field: str, url: str):
        self.field = field
        super().__init__(f"{url} is not on an allowed origin.")


class AlreadySubscribed(BillingError):
    code = "already_subscribed"
    field = "plan_id"

    def __init__(self, product_line: str):
        super().__init__(
            f"There is a subscription in the product line {product_line} that runs, or waits for its first payment: "
            "change it, or cancel it first."
        )


class RefundTooLarge(BillingError):
    code = "refund_too_large"
    field = "amount"

    def __init__(self, asked: Money, left: Money):
        super().__init__(f"{asked} asked, {left} left to refund." if left.minor else "Nothing is left to refund.")


class RefundOverCap(BillingError):
    code = "refund_over_cap"
    field = "amount"

    def __init__(self, asked: Money, cap: Money):
        super().__init__(
            f"{asked} asked; of one payment one person gives back {cap} at most. Two admins may: refund-approvals."
        )


class SecondAdminNeeded(BillingError):
    code = "second_admin_needed"

    def __init__(self) -> None:
        super().__init__("Who asked for a refund cannot decide on it: another admin must.")


class AlreadyDecided(BillingError):
    code = "already_decided"

    def __init__(self, status: str):
        super().__init__(f"The other admin has decided: {status}.")


class NotRefundable(BillingError):
    code = "payment_not_refundable"
    field = "payment_id"

    def __init__(self, status: str):
        super().__init__(f"A payment that is {status} has no money to give back.")


class NotLive(BillingError):
    code = "subscription_not_live"

    def __init__(self, status: str):
        super().__init__(f"The subscription is {status}: there is nothing to cancel.")


class StillSubscribed(BillingError):
    code = "still_subscribed"

    def __init__(self) -> None:
        super().__init__("A subscription of this user runs: end it first.")


class NothingToInvoice(BillingError):
    code = "nothing_to_invoice"

    def __init__(self) -> None:
        super().__init__("Nothing waits at Stripe to be billed for that.")


class InvoiceNotOpen(BillingError):
    code = "invoice_not_open"

    def __init__(self, status: str):
        super().__init__(f"The invoice is {status}: only one that is open can be closed.")


class QuoteNeeded(BillingError):
    code = "quote_needed"
    field = "quote_id"

    def __init__(self) -> None:
        super().__init__("A user pays what a quote of ours says: name one.")


class AmountMissing(BillingError):
    code = "amount_missing"

    def __init__(self, field: str):
        self.field = field
        super().__init__("Without a quote an amount and its currency are needed.")


class AmountTooSmall(BillingError):
    code = "amount_too_small"
    field = "amount"

    def __init__(self, amount: Money, smallest: Money):
        super().__init__(f"{amount} is below {smallest}, the least that Stripe charges.")


class OrderTaken(BillingError):
    code = "order_taken"
    field = "order_id"

    def __init__(self, order_id: str, amount: Money):
        super().__init__(f"Order {order_id} has a payment of {amount} already, of another amount or user.")


class MoveNotAllowed(BillingError):
    code = "status_not_allowed"
    field = "status"

    def __init__(self, old: str, new: str):
        super().__init__(f"A payment that is {old} cannot become {new}.")


class StripeSaysOtherwise(BillingError):
    code = "stripe_says_otherwise"
    field = "status"

    def __init__(self, wanted: str, found: str):
        super().__init__(f"At Stripe the payment is {found}, so it cannot be {wanted} here.")


class NoSuchRule(BillingError):
    code = "no_such_rule"

    def __init__(self, kind: str, cause: str):
        super().__init__(f"There is no rule for {cause} of {kind}.")


class HitsOthers(BillingError):
    code = "policy_hits_others"
    field = "hits"

    def __init__(self, said: int, found: int):
        super().__init__(f"This changes the access of {found} sources, not of {said}: look at them and say so.")


class AlreadyReconciling(BillingError):
    code = "already_reconciling"

    def __init__(self) -> None:
        super().__init__("Another run compares the books now.")


class CannotAdopt(BillingError):
    """Why one object of a running account is left as it is."""

    code = "cannot_adopt"
