from django.urls import path

from billing.views import (
    approvals,
    checkouts,
    customers,
    invoices,
    payment_methods,
    payments,
    refunds,
    subscription_steps,
    subscriptions,
    webhooks,
)
from config.api import paths as paths

urlpatterns = [
    path("checkout-sessions", checkouts.CheckoutSessions.as_view(), name="checkout-sessions"),
    path("checkout-sessions/<uuid:id>", checkouts.CheckoutSession.as_view(), name="checkout-session"),
    path("customers", customers.Customers.as_view(), name="customers"),
    path("customers/<uuid:id>", customers.OneCustomer.as_view(), name="customer"),
    path("payment-methods", payment_methods.PaymentMethods.as_view(), name="payment-methods"),
    path("payment-methods/setup", payment_methods.PaymentMethodSetup.as_view(), name="payment-methods-setup"),
    path("payment-methods/<uuid:id>", payment_methods.OnePaymentMethod.as_view(), name="payment-method"),
    path(
        "payment-methods/<uuid:id>/default",
        payment_methods.DefaultPaymentMethod.as_view(),
        name="payment-method-default",
    ),
    path(
        "users/<user:user_id>/payment-methods",
        payment_methods.UserPaymentMethods.as_view(),
        name="user-payment-methods",
    ),
    path("payments", payments.Payments.as_view(), name="payments"),
    path("payments/intent", payments.PaymentIntent.as_view(), name="payment-intent"),
    path("payments/<uuid:id>", payments.OnePayment.as_view(), name="payment"),
    path("payments/<uuid:id>/status", payments.PaymentStatus.as_view(), name="payment-status"),
    path("payments/<uuid:id>/refunds", refunds.PaymentRefunds.as_view(), name="payment-refunds"),
    path("customers/<uuid:id>/payments", payments.CustomerPayments.as_view(), name="customer-payments"),
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
    path("subscriptions/<uuid:id>/invoices", invoices.SubscriptionInvoices.as_view(), name="subscription-invoices"),
    path("users/<user:user_id>/invoices", invoices.UserInvoices.as_view(), name="user-invoices"),
    path("invoices", invoices.Invoices.as_view(), name="invoices"),
    path("invoices/<uuid:id>", invoices.OneInvoice.as_view(), name="invoice"),
    path("invoices/<uuid:id>/void", invoices.VoidInvoice.as_view(), name="invoice-void"),
    path("invoices/<uuid:id>/uncollectible", invoices.GiveUpInvoice.as_view(), name="invoice-uncollectible"),
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
