"""Every URL in one screen."""

from django.contrib import admin
from django.urls import path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

import billing.urls
import entitlements.urls
import events.urls
import pricing.urls
from billing.views.payments import OnePayment, PaymentIntent
from billing.views.webhooks import StripeWebhook
from config import health, metrics, pages, staff_pages
from config.routes import ByWord
from entitlements.views.ofrep import EvaluateFlag, EvaluateFlags

urlpatterns = [
    path("", pages.home, name="home"),
    ByWord(
        "api/v1/",
        [
            *pricing.urls.urlpatterns,
            *entitlements.urls.urlpatterns,
            *billing.urls.urlpatterns,
            *events.urls.urlpatterns,
        ],
    ),
    # The paths of 003 for the same handlers; the schema names the first ones only.
    path("payments/intent", PaymentIntent.as_view(schema=None), name="payment-intent"),
    path("payments/<uuid:id>", OnePayment.as_view(schema=None), name="payment"),
    path("payments/webhook", StripeWebhook.as_view(schema=None), name="stripe-webhook"),
    # The paths of the OpenFeature Remote Evaluation Protocol.
    path("ofrep/v1/evaluate/flags", EvaluateFlags.as_view(), name="ofrep-flags"),
    path("ofrep/v1/evaluate/flags/<str:key>", EvaluateFlag.as_view(), name="ofrep-flag"),
    path("api/schema", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="docs"),
    path("admin/second-factor", staff_pages.second_factor_page, name="second-factor"),
    path("admin/", admin.site.urls),
    path("health", health.health),
    path("healthz", health.healthz),
    path("livez", health.healthz),
    path("readyz", health.readyz),
    path("metrics", metrics.show),
]

handler400 = "config.errors.bad_request"
handler404 = "config.errors.page_not_found"
handler500 = "config.errors.server_error"
