from billing.models.checkout import Checkout
from billing.models.customer import Customer, StripePrice
from billing.models.finding import Finding
from billing.models.payment import Payment
from billing.models.refund import Refund
from billing.models.refund_approval import RefundApproval
from billing.models.subscription import Subscription
from billing.models.webhook import Lease, Reading, WebhookEvent

__all__ = [
    "Checkout",
    "Customer",
    "Finding",
    "Lease",
    "Payment",
    "Reading",
    "Refund",
    "RefundApproval",
    "StripePrice",
    "Subscription",
    "WebhookEvent",
]
