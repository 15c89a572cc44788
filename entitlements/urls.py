from django.urls import path

from config.api import paths as paths
from entitlements import views

urlpatterns = [
    path("entitlements/check", views.EntitlementCheck.as_view(), name="entitlement-check"),
    path("users/<user:user_id>/entitlements", views.UserEntitlements.as_view(), name="user-entitlements"),
]
