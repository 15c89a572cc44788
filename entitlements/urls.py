from django.urls import path

from config.api import paths as paths
from entitlements.views import checks, sets, stream

urlpatterns = [
    path("entitlements/check", checks.EntitlementCheck.as_view(), name="entitlement-check"),
    path("entitlements/check-bulk", checks.EntitlementBulkCheck.as_view(), name="entitlement-check-bulk"),
    path("entitlements/stream", stream.EntitlementStream.as_view(), name="entitlement-stream"),
    path("users/<user:user_id>/entitlements", sets.UserEntitlements.as_view(), name="user-entitlements"),
]
