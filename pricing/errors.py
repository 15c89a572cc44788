"""What can be wrong with a plan, a zone or a price. Each phrases itself; `field` names the input that is at fault."""

from __future__ import annotations


class PricingError(Exception):
    code = "pricing_error"
    field = ""


class UnknownCurrency(PricingError):
    code = "unknown_currency"
    field = "currency"

    def __init__(self, currency: str):
        super().__init__(f"{currency!r} is no currency that Stripe charges in.")


class UnchargeableAmount(PricingError):
    code = "unchargeable_amount"
    field = "amount_minor"

    def __init__(self, amount: object, step: int):
        super().__init__(f"Stripe cannot charge {amount}: minor units must be a multiple of {step}.")


class AmountTooSmall(PricingError):
    code = "amount_too_small"
    field = "amount_minor"

    def __init__(self, amount: object, smallest: object):
        super().__init__(f"{amount} is below {smallest}, the smallest price; only a free plan costs 0.")


class MalformedCountryCode(PricingError):
    code = "malformed_country_code"
    field = "country_code"

    def __init__(self, country_code: str):
        super().__init__(f"{country_code!r} is no ISO 3166-1 alpha-2 code: two letters such as IN.")


class ZonesMissing(PricingError):
    code = "zones_missing"

    def __init__(self) -> None:
        super().__init__("There is no zone A, the zone of countries we do not know. Run: manage.py seed_zones")


class ZonesOutOfOrder(PricingError):
    code = "zones_out_of_order"
    field = "multiplier"

    def __init__(self, multipliers: str):
        super().__init__(
            f"Multipliers must not rise from A to D, so that a poorer zone never pays more: {multipliers}."
        )


class MultiplierOutOfRange(PricingError):
    code = "multiplier_out_of_range"
    field = "multiplier"

    def __init__(self, multiplier: object):
        super().__init__(f"Multiplier {multiplier} is not above 0 and at most 2.")


class UnknownZone(PricingError):
    code = "unknown_zone"
    field = "zone"

    def __init__(self, zone: str):
        super().__init__(f"There is no zone {zone!r}.")


class CountryTwice(PricingError):
    code = "country_twice"
    field = "iso_code"

    def __init__(self, iso_code: str):
        super().__init__(f"{iso_code} is named twice.")


class CountryNotFound(PricingError):
    code = "country_not_found"

    def __init__(self, iso_code: str):
        super().__init__(f"Country {iso_code} is in no zone.")


class PlanNotFound(PricingError):
    code = "plan_not_found"
    field = "plan_id"

    def __init__(self, plan_id: str):
        super().__init__(f"There is no plan {plan_id!r}.")


class PlanNotForSale(PricingError):
    code = "plan_not_for_sale"
    field = "plan_id"

    def __init__(self, plan_id: str):
        super().__init__(f"Plan {plan_id!r} is not for sale: it is inactive, or no version of it is published.")


class PlanVersionFrozen(PricingError):
    code = "plan_version_frozen"

    def __init__(self, version: object):
        super().__init__(f"{version} has been sold and never changes again: make a new version.")


class FeatureInUse(PricingError):
    code = "feature_in_use"

    def __init__(self, feature: str, names: list[str]):
        self.names = names
        super().__init__(
            f"Feature {feature} was sold or granted, and what was answered must stay true: {', '.join(names)} cannot"
            " change. Choices may be added; for anything else add another feature."
        )


class InclusionMismatch(PricingError):
    code = "inclusion_mismatch"
    field = "features"

    def __init__(self, feature: str, kind: str, reason: str):
        super().__init__(f"Feature {feature} is {kind}: {reason}.")


class UsageLimitsWrong(PricingError):
    code = "usage_limits_wrong"

    def __init__(self, reason: str, *place: str):
        steps = ("usage_limits", *place)
        # As the steps of a JSON pointer (RFC 6901).
        self.field = "/".join(step.replace("~", "~0").replace("/", "~1") for step in steps)
        super().__init__(f"{'.'.join(steps)}: {reason}.")
