from django.urls import path

from config.api import paths as paths
from pricing import views

urlpatterns = [
    path("plans", views.Plans.as_view(), name="plans"),
    path("plans/<name:plan_id>", views.OnePlan.as_view(), name="plan"),
    path("features", views.Features.as_view(), name="features"),
    path("quotes", views.Quotes.as_view(), name="quotes"),
    path("pricing-zones", views.PricingZones.as_view(), name="pricing-zones"),
    path("pricing-zones/bulk", views.PricingZonesBulk.as_view(), name="pricing-zones-bulk"),
    path("pricing-zones/<slug:iso_code>", views.OnePricingZone.as_view(), name="pricing-zone"),
]
