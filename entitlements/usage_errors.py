"""What can be wrong with a use, a reservation or a correction."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from entitlements.decisions import Decision
from entitlements.errors import EntitlementsError


class UsageRefused(EntitlementsError):
    """The answer is no. `code` is the reason of the decision, as a check gives it; `members` are its numbers."""

    code = "usage_refused"

    def __init__(self, decision: Decision, units: int):
        left = "" if decision.remaining is None else f" {decision.remaining} are left."
        super().__init__(f"{units} of {decision.feature_code} cannot be used: {decision.reason_code.value}.{left}")
        self.code = decision.reason_code.value
        self.decision = decision

    @property
    def members(self) -> dict[str, Any]:
        """What a problem says beside its code."""
        said = self.decision
        period = said.period and {"start": _shown(said.period.start), "end": _shown(said.period.end)}
        return {
            "reason_code": said.reason_code.value,
            "limit": said.limit,
            "used": said.used,
            "reserved": said.reserved,
            "remaining": said.remaining,
            "period": period,
        }


class NotMetered(EntitlementsError):
    code = "not_metered"
    field = "feature_code"

    def __init__(self, feature_code: str, kind: str):
        super().__init__(f"{feature_code} is {kind}: only a metered feature is counted.")


class UnitsWrong(EntitlementsError):
    code = "units_wrong"
    field = "units"

    def __init__(self, units: int):
        super().__init__(f"{units} units cannot be used: only what is counted and not used up is given back below 0.")


class UsageInTheFuture(EntitlementsError):
    code = "usage_in_the_future"
    field = "at"

    def __init__(self, at: datetime):
        super().__init__(f"{_shown(at)} is still to come.")


class BelowZero(EntitlementsError):
    code = "below_zero"
    field = "units"

    def __init__(self, units: int):
        super().__init__(f"{-units} cannot be given back: less was used.")


class CorrectsACorrection(EntitlementsError):
    code = "corrects_a_correction"
    field = "usage_id"

    def __init__(self) -> None:
        super().__init__("A correction is not corrected: correct the use once more.")


class CorrectionRefused(EntitlementsError):
    code = "correction_refused"
    field = "units"

    def __init__(self, units: int):
        super().__init__(f"{units} more do not fit: the limit is hard.")


class ReservationTooLong(EntitlementsError):
    code = "reservation_too_long"
    field = "expires_in"

    def __init__(self, longest: timedelta):
        super().__init__(f"Units are held for 1 to {int(longest.total_seconds())} seconds.")


class ReservationOver(EntitlementsError):
    code = "reservation_over"

    def __init__(self, status: str):
        super().__init__(f"The reservation is {status} already.")


def _shown(at: datetime) -> str:
    """Write a moment as answers do."""
    return at.isoformat().replace("+00:00", "Z")
