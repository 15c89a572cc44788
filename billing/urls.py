from django.urls import path

from billing.views import approvals, checkouts, disputes, payments, refunds, subscriptions, webhooks
from config.api import paths as paths

urlpatterns = [
    path("checkout-sessions", checkouts.CheckoutSessions.as_view(), name="checkout-sessions"),
    path("checkout-sessions/<uuid:id>", checkouts.CheckoutSession.as_view(), name="checkout-session"),
    path("payments", payments.Payments.as_view(), name="payments"),
    path("payments/<uuid:id>", payments.OnePayment.as_view(), name="payment"),
    path("payments/<uuid:id>/refunds", refunds.PaymentRefunds.as_view(), name="payment-refunds"),
    path("payments/<uuid:id>/disputes", disputes.PaymentDisputes.as_view(), name="payment-disputes"),
    path("disputes", disputes.Disputes.as_view(), name="disputes"),
    path("disputes/<uuid:id>", disputes.OneDispute.as_view(), name="dispute"),
    path("users/<user:user_id>/payments", payments.UserPayments.as_view(), name="user-payments"),
    path("users/<user:user_id>/subscriptions", subscriptions.UserSubscriptions.as_view(), name="user-subscriptions"),
    path("refunds", refunds.Refunds.as_view(), name="refunds"),
    path("refunds/<uuid:id>", refunds.OneRefund.as_view(), name="refund"),
    path("refund-approvals", approvals.RefundApprovals.as_view(), name="refund-approvals"),
    path("refund-approvals/<uuid:id>", approvals.OneRefundApproval.as_view(), name="refund-approval"),
    path("refund-approvals/<uuid:id>/approve", approvals.ApproveRefund.as_view(), name="refund-approval-approve"),
    path("refund-approvals/<uuid:id>/decline", approvals.DeclineRefund.as_view(), name="refund-approval-decline"),
    path("subscriptions/<uuid:id>", subscriptions.OneSubscription.as_view(), name="subscription"),
    path("webhooks/stripe", webhooks.StripeWebhook.as_view(), name="stripe-webhook"),
]
