from django.urls import path

from billing.views import approvals, checkouts, payments, refunds, subscription_steps, subscriptions, webhooks
from config.api import paths as paths

urlpatterns = [
    path("checkout-sessions", checkouts.CheckoutSessions.as_view(), name="checkout-sessions"),
    path("checkout-sessions/<uuid:id>", checkouts.CheckoutSession.as_view(), name="checkout-session"),
    path("payments", payments.Payments.as_view(), name="payments"),
    path("payments/<uuid:id>", payments.OnePayment.as_view(), name="payment"),
    path("payments/<uuid:id>/refunds", refunds.PaymentRefunds.as_view(), name="payment-refunds"),
    path("users/<user:user_id>/payments", payments.UserPayments.as_view(), name="user-payments"),
    path("users/<user:user_id>/subscriptions", subscriptions.UserSubscriptions.as_view(), name="user-subscriptions"),
    path("refunds", refunds.Refunds.as_view(), name="refunds"),
    path("refunds/<uuid:id>", refunds.OneRefund.as_view(), name="refund"),
    path("refund-approvals", approvals.RefundApprovals.as_view(), name="refund-approvals"),
    path("refund-approvals/<uuid:id>", approvals.OneRefundApproval.as_view(), name="refund-approval"),
    path("refund-approvals/<uuid:id>/approve", approvals.ApproveRefund.as_view(), name="refund-approval-approve"),
    path("refund-approvals/<uuid:id>/decline", approvals.DeclineRefund.as_view(), name="refund-approval-decline"),
    path("subscriptions", subscriptions.Subscriptions.as_view(), name="subscriptions"),
    path("subscriptions/<uuid:id>", subscriptions.OneSubscription.as_view(), name="subscription"),
    path(
        "subscriptions/<uuid:id>/preview", subscription_steps.PreviewSubscription.as_view(), name="subscription-preview"
    ),
    path(
        "subscriptions/<uuid:id>/reactivate",
        subscription_steps.ReactivateSubscription.as_view(),
        name="subscription-reactivate",
    ),
    path("subscriptions/<uuid:id>/pause", subscription_steps.PauseSubscription.as_view(), name="subscription-pause"),
    path("subscriptions/<uuid:id>/resume", subscription_steps.ResumeSubscription.as_view(), name="subscription-resume"),
    path("webhooks/stripe", webhooks.StripeWebhook.as_view(), name="stripe-webhook"),
]
