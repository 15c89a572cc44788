"""The back office: one module a noun."""

from entitlements.admin.entitlements import AwardAdmin as AwardAdmin
from entitlements.admin.entitlements import EntitlementAdmin as EntitlementAdmin
from entitlements.admin.families import FamilyAdmin as FamilyAdmin
from entitlements.admin.overrides import OverrideAdmin as OverrideAdmin
from entitlements.admin.usage import ReservationAdmin as ReservationAdmin
from entitlements.admin.usage import UsageCounterAdmin as UsageCounterAdmin
from entitlements.admin.usage import UsageEventAdmin as UsageEventAdmin
