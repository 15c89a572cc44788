"""The back office: one module a noun."""

from entitlements.admin.entitlements import EntitlementAdmin as EntitlementAdmin
from entitlements.admin.families import FamilyAdmin as FamilyAdmin
