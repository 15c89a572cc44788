from django.urls import path

from config.api import paths as paths
from entitlements.views import checks, grants, overrides

urlpatterns = [
    path("entitlements/check", checks.EntitlementCheck.as_view(), name="entitlement-check"),
    path("entitlements", grants.Entitlements.as_view(), name="entitlements"),
    path("entitlements/<uuid:id>", grants.OneEntitlement.as_view(), name="entitlement"),
    path("overrides", overrides.Overrides.as_view(), name="overrides"),
    path("overrides/<uuid:id>", overrides.OneOverride.as_view(), name="override"),
    path("users/<user:user_id>/entitlements", checks.UserEntitlements.as_view(), name="user-entitlements"),
]
