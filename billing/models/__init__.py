from billing.models.checkout import Checkout
from billing.models.customer import Customer, StripePrice
from billing.models.dispute import Dispute
from billing.models.finding import Finding
from billing.models.payment import Payment
from billing.models.policy_rule import PolicyRule
from billing.models.refund import Refund
from billing.models.refund_approval import RefundApproval
from billing.models.subscription import Subscription
from billing.models.webhook import Lease, WebhookEvent
from billing.models.zone_check import ZoneCheck

__all__ = [
    "Checkout",
    "Customer",
    "Dispute",
    "Finding",
    "Lease",
    "Payment",
    "PolicyRule",
    "Refund",
    "RefundApproval",
    "StripePrice",
    "Subscription",
    "WebhookEvent",
    "ZoneCheck",
]
