"""Grants, overrides, families, usage: one aggregate a file."""

from entitlements.models.entitlement import Entitlement as Entitlement
from entitlements.models.entitlement import Reason as Reason
from entitlements.models.entitlement import SourceType as SourceType
from entitlements.models.epoch import Epoch as Epoch
from entitlements.models.family import Family as Family
from entitlements.models.family import FamilyMember as FamilyMember
from entitlements.models.override import Override as Override
from entitlements.models.usage import Reservation as Reservation
from entitlements.models.usage import UsageCounter as UsageCounter
from entitlements.models.usage import UsageEvent as UsageEvent
from entitlements.models.usage import UsageThreshold as UsageThreshold
