"""The back office: one module a noun."""

from entitlements.admin.entitlements import AwardAdmin as AwardAdmin
from entitlements.admin.entitlements import EntitlementAdmin as EntitlementAdmin
from entitlements.admin.families import FamilyAdmin as FamilyAdmin
from entitlements.admin.overrides import OverrideAdmin as OverrideAdmin
