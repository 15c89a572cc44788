from django.urls import path

from config.api import paths as paths
from entitlements.views import checks, families, grants, invitations, overrides, sets, stream

urlpatterns = [
    path("entitlements/check", checks.EntitlementCheck.as_view(), name="entitlement-check"),
    path("entitlements/stream", stream.EntitlementStream.as_view(), name="entitlement-stream"),
    path("entitlements/check-bulk", checks.EntitlementBulkCheck.as_view(), name="entitlement-check-bulk"),
    path("users/<user:user_id>/entitlements", sets.UserEntitlements.as_view(), name="user-entitlements"),
    path("families", families.Families.as_view(), name="families"),
    path("families/<uuid:id>", families.OneFamily.as_view(), name="family"),
    path("families/<uuid:id>/members", families.FamilyMembers.as_view(), name="family-members"),
    path("families/<uuid:id>/members/<user:user_id>", families.OneFamilyMember.as_view(), name="family-member"),
    path("families/<uuid:id>/leave", families.LeaveFamily.as_view(), name="family-leave"),
    path("families/<uuid:id>/transfer", families.TransferFamily.as_view(), name="family-transfer"),
    path("families/<uuid:id>/close", families.CloseFamily.as_view(), name="family-close"),
    path("families/<uuid:id>/invitations", invitations.FamilyInvitations.as_view(), name="family-invitations"),
    path("invitations/<uuid:id>", invitations.OneInvitation.as_view(), name="invitation"),
    path("invitations/<uuid:id>/accept", invitations.AcceptInvitation.as_view(), name="invitation-accept"),
    path("invitations/<uuid:id>/decline", invitations.DeclineInvitation.as_view(), name="invitation-decline"),
    path("users/<user:user_id>/family", families.UserFamily.as_view(), name="user-family"),
    path("users/<user:user_id>/invitations", invitations.UserInvitations.as_view(), name="user-invitations"),
    path("entitlements", grants.Entitlements.as_view(), name="entitlements"),
    path("entitlements/<uuid:id>", grants.OneEntitlement.as_view(), name="entitlement"),
    path("overrides", overrides.Overrides.as_view(), name="overrides"),
    path("overrides/<uuid:id>", overrides.OneOverride.as_view(), name="override"),
]
