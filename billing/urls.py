from django.urls import path

from billing import approval_views, views
from config.api import paths as paths

urlpatterns = [
    path("checkout-sessions", views.CheckoutSessions.as_view(), name="checkout-sessions"),
    path("checkout-sessions/<uuid:id>", views.CheckoutSession.as_view(), name="checkout-session"),
    path("payments", views.Payments.as_view(), name="payments"),
    path("payments/<uuid:id>", views.OnePayment.as_view(), name="payment"),
    path("payments/<uuid:id>/refunds", views.PaymentRefunds.as_view(), name="payment-refunds"),
    path("users/<user:user_id>/payments", views.UserPayments.as_view(), name="user-payments"),
    path("users/<user:user_id>/subscriptions", views.UserSubscriptions.as_view(), name="user-subscriptions"),
    path("refunds", views.Refunds.as_view(), name="refunds"),
    path("refunds/<uuid:id>", views.OneRefund.as_view(), name="refund"),
    path("refund-approvals", approval_views.RefundApprovals.as_view(), name="refund-approvals"),
    path("refund-approvals/<uuid:id>", approval_views.OneRefundApproval.as_view(), name="refund-approval"),
    path("refund-approvals/<uuid:id>/approve", approval_views.ApproveRefund.as_view(), name="refund-approval-approve"),
    path("refund-approvals/<uuid:id>/decline", approval_views.DeclineRefund.as_view(), name="refund-approval-decline"),
    path("subscriptions/<uuid:id>", views.OneSubscription.as_view(), name="subscription"),
    path("webhooks/stripe", views.StripeWebhook.as_view(), name="stripe-webhook"),
]
