"""What is sold, where, for how much: one aggregate a file."""

from pricing.imported import ZoneImport as ZoneImport
from pricing.models.feature import Feature as Feature
from pricing.models.metering import METERING as METERING
from pricing.models.metering import Metering as Metering
from pricing.models.metering import sound_metering as sound_metering
from pricing.models.plan import Plan as Plan
from pricing.models.plan import PlanFeature as PlanFeature
from pricing.models.plan import PlanVersion as PlanVersion
from pricing.models.quote import Quote as Quote
from pricing.models.zone import Country as Country
from pricing.models.zone import PriceOverride as PriceOverride
from pricing.models.zone import Zone as Zone
