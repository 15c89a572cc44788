"""Money -> access, as data: what a refund, a late payment or an end does to what was granted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from billing.models import Subscription
from entitlements.models import Reason

Status = Subscription.Status

# A renewal may be paid, and its webhook delivered, some hours after the period ends.
RENEWAL_GRACE = timedelta(hours=24)
# How long access goes on while Stripe tries a failed renewal again, counted from the end of what was paid.
PAST_DUE_GRACE = timedelta(days=7)


class Action(StrEnum):
    KEEP = "keep"
    SUSPEND = "suspend"
    REVOKE = "revoke"


class Cause(StrEnum):
    FULL_REFUND = "full_refund"
    PARTIAL_REFUND = "partial_refund"


# A one-time purchase that is paid back is over. A subscription goes on: its next paid period gives access again.
ONE_TIME: dict[Cause, Action] = {Cause.FULL_REFUND: Action.REVOKE, Cause.PARTIAL_REFUND: Action.KEEP}
SUBSCRIPTION: dict[Cause, Action] = {Cause.FULL_REFUND: Action.SUSPEND, Cause.PARTIAL_REFUND: Action.KEEP}


@dataclass(frozen=True, slots=True)
class Access:
    """What a subscription gives: nothing yet, or a span `[start, ends_at)` and its grace; held back, or over."""

    given: bool
    ends_at: datetime | None = None
    grace_until: datetime | None = None
    hold: Reason | None = None
    over: bool = False


NOTHING = Access(given=False)


def access_of(subscription: Subscription, *, refunded: bool) -> Access:
    """Say what a subscription gives now. `refunded`: its last payment was paid back in full.

    Past due: paid until the unpaid period began, then grace from there, however long Stripe goes on trying.
    """
    start, end = subscription.current_period_start, subscription.current_period_end
    match subscription.status:
        case Status.INCOMPLETE | Status.INCOMPLETE_EXPIRED:
            return NOTHING
        case Status.CANCELED:
            return Access(given=True, ends_at=subscription.ended_at or subscription.canceled_at or end, over=True)
        case Status.UNPAID:
            return Access(given=True, ends_at=start, hold=Reason.UNPAID)
        case Status.PAUSED:
            return Access(given=True, ends_at=end, hold=Reason.PAUSED)
        case Status.PAST_DUE:
            return Access(given=True, ends_at=start, grace_until=start + PAST_DUE_GRACE)
    hold = Reason.REFUND if refunded and SUBSCRIPTION[Cause.FULL_REFUND] is not Action.KEEP else None
    if subscription.cancel_at and subscription.cancel_at <= end:
        return Access(given=True, ends_at=subscription.cancel_at, hold=hold)
    return Access(given=True, ends_at=end, grace_until=end + RENEWAL_GRACE, hold=hold)
