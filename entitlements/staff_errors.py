"""What can be wrong with what staff and services decide of access."""

from __future__ import annotations

from datetime import datetime

from entitlements.errors import EntitlementsError


class NoSuchFeature(EntitlementsError):
    code = "no_such_feature"
    field = "feature_code"

    def __init__(self, feature_code: str):
        super().__init__(f"There is no feature {feature_code!r}.")


class DoesNotFit(EntitlementsError):
    code = "does_not_fit"

    def __init__(self, field: str, feature: str, kind: str, reason: str):
        self.field = field
        super().__init__(f"Feature {feature} is {kind}: {reason}.")


class EndsInThePast(EntitlementsError):
    code = "ends_in_the_past"

    def __init__(self, field: str, ends_at: datetime, way_out: str):
        self.field = field
        super().__init__(f"{ends_at.isoformat()} is over, and what was answered stays: {way_out}.")


class PaidGrant(EntitlementsError):
    code = "paid_grant"

    def __init__(self, field: str, source_type: str):
        self.field = field
        super().__init__(
            f"A {source_type} was paid for, and ends as its payment says. To give more, add a manual grant or an"
            " override that allows the feature; to give less, suspend it or add an override that denies it."
        )


class NotChangeable(EntitlementsError):
    code = "grant_not_changeable"
    field = "status"

    def __init__(self, status: str, way_out: str = "grant it again"):
        super().__init__(f"This grant is {status}: {way_out}.")


class HeldForMoney(EntitlementsError):
    code = "held_for_money"
    field = "status"

    def __init__(self, reason: str):
        super().__init__(
            f"This grant is held back because of money ({reason}), and comes back by it. To allow the feature, or to"
            " deny it whatever is paid, add an override."
        )
