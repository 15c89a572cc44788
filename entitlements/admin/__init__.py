"""The back office: one module a noun."""

from entitlements.admin.entitlements import EntitlementAdmin as EntitlementAdmin
