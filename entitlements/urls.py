from django.urls import path

from config.api import paths as paths
from entitlements.views import checks, reservations, sets, usage

urlpatterns = [
    path("entitlements/check", checks.EntitlementCheck.as_view(), name="entitlement-check"),
    path("entitlements/check-bulk", checks.EntitlementBulkCheck.as_view(), name="entitlement-check-bulk"),
    path("users/<user:user_id>/entitlements", sets.UserEntitlements.as_view(), name="user-entitlements"),
    path("usage", usage.Usage.as_view(), name="usage"),
    path("usage/batch", usage.UsageBatch.as_view(), name="usage-batch"),
    path("usage/corrections", usage.UsageCorrections.as_view(), name="usage-corrections"),
    path("usage/reservations", reservations.Reservations.as_view(), name="reservations"),
    path("usage/reservations/<uuid:id>/commit", reservations.ReservationCommit.as_view(), name="reservation-commit"),
    path("usage/reservations/<uuid:id>/release", reservations.ReservationRelease.as_view(), name="reservation-release"),
    path("users/<user:user_id>/usage", usage.UserUsage.as_view(), name="user-usage"),
]
