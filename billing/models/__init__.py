from billing.models.checkout import Checkout
from billing.models.customer import Customer, StripeCustomer, StripePrice
from billing.models.dispute import Dispute
from billing.models.finding import Finding
from billing.models.invoice import Invoice, InvoiceLine
from billing.models.notice import Notice
from billing.models.payment import Payment
from billing.models.payment_attempt import PaymentAttempt
from billing.models.payment_method import CardSetup, PaymentMethod
from billing.models.policy_rule import PolicyRule
from billing.models.refund import Refund
from billing.models.refund_approval import RefundApproval
from billing.models.subscription import Subscription
from billing.models.subscription_change import SubscriptionChange
from billing.models.subscription_item import SubscriptionItem
from billing.models.subscription_order import SubscriptionOrder
from billing.models.trial_use import TrialUse
from billing.models.webhook import Lease, Reading, WebhookEvent
from billing.models.zone_check import ZoneCheck

__all__ = [
    "CardSetup",
    "Checkout",
    "Customer",
    "Dispute",
    "Finding",
    "Invoice",
    "InvoiceLine",
    "Lease",
    "Notice",
    "Payment",
    "PaymentMethod",
    "PaymentAttempt",
    "PolicyRule",
    "Reading",
    "Refund",
    "RefundApproval",
    "StripeCustomer",
    "StripePrice",
    "Subscription",
    "SubscriptionChange",
    "SubscriptionItem",
    "SubscriptionOrder",
    "TrialUse",
    "WebhookEvent",
    "ZoneCheck",
]
