"""Money -> access, as data: what a refund, a dispute, a late payment or an end does to what was granted.

Everything here is pure: the same facts and rules give the same access, whenever and in whatever order they are asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeAlias

from billing.models import Dispute, PolicyRule, Subscription
from entitlements.models import Reason

Status = Subscription.Status
Kind: TypeAlias = PolicyRule.Kind
Cause: TypeAlias = PolicyRule.Cause
Action: TypeAlias = PolicyRule.Action

# A renewal may be paid, and its webhook delivered, some hours after the period ends.
RENEWAL_GRACE = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Rule:
    """What is done, and for `shorten` after how many days."""

    action: Action
    days: int = 0


Rules = Mapping[tuple[str, str], Rule]

KEEP, SUSPEND, REVOKE = Rule(Action.KEEP), Rule(Action.SUSPEND), Rule(Action.REVOKE)
LATE: dict[Cause, Rule] = {
    Cause.PAST_DUE: Rule(Action.SHORTEN, 7),
    Cause.UNPAID: SUSPEND,
    Cause.PAUSED: SUSPEND,
    Cause.UNCOLLECTIBLE: SUSPEND,
}
# A one-time purchase that is paid back is over. A subscription goes on: its next paid period gives access again.
OF_KIND: dict[Kind, dict[Cause, Rule]] = {
    Kind.ONE_TIME: {
        Cause.FULL_REFUND: REVOKE,
        Cause.PARTIAL_REFUND: KEEP,
        Cause.DISPUTE_OPENED: KEEP,
        Cause.DISPUTE_WON: KEEP,
        Cause.DISPUTE_LOST: REVOKE,
    },
    Kind.SUBSCRIPTION: {
        Cause.FULL_REFUND: SUSPEND,
        Cause.PARTIAL_REFUND: KEEP,
        Cause.DISPUTE_OPENED: KEEP,
        Cause.DISPUTE_WON: KEEP,
        Cause.DISPUTE_LOST: SUSPEND,
        **LATE,
    },
    Kind.TRIAL: LATE,
}
DEFAULTS: Rules = {(kind, cause): rule for kind, rules in OF_KIND.items() for cause, rule in rules.items()}
# How long access goes on by default while Stripe tries a failed renewal again, from the end of what was paid.
PAST_DUE_GRACE = timedelta(days=LATE[Cause.PAST_DUE].days)

WEIGHT = [Action.KEEP, Action.SHORTEN, Action.SUSPEND, Action.REVOKE]
REASON = {
    Cause.FULL_REFUND: Reason.REFUND,
    Cause.PARTIAL_REFUND: Reason.REFUND,
    Cause.DISPUTE_OPENED: Reason.DISPUTE,
    Cause.DISPUTE_WON: Reason.DISPUTE,
    Cause.DISPUTE_LOST: Reason.CHARGEBACK,
    Cause.PAST_DUE: Reason.PAST_DUE,
    Cause.UNPAID: Reason.UNPAID,
    Cause.PAUSED: Reason.PAUSED,
    Cause.UNCOLLECTIBLE: Reason.UNPAID,
}
DISPUTED: dict[str, Cause] = {
    **dict.fromkeys(Dispute.OPEN, Cause.DISPUTE_OPENED),
    Dispute.Status.WON: Cause.DISPUTE_WON,
    Dispute.Status.LOST: Cause.DISPUTE_LOST,
}
LATENESS = {Status.PAST_DUE: Cause.PAST_DUE, Status.UNPAID: Cause.UNPAID, Status.PAUSED: Cause.PAUSED}


@dataclass(frozen=True, slots=True)
class Facts:
    """What became of the money of one payment, in minor units; `returning` is on its way back and may not arrive."""

    captured: int
    refunded: int = 0
    returning: int = 0
    refunded_at: datetime | None = None
    disputes: tuple[tuple[str, datetime], ...] = ()


@dataclass(frozen=True, slots=True)
class Taken:
    """What the causes together take of one source's access."""

    action: Action = Action.KEEP
    reason: Reason | None = None
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Access:
    """What a subscription gives: nothing yet, or a span `[start, ends_at)` and its grace; held back, or over."""

    given: bool
    ends_at: datetime | None = None
    grace_until: datetime | None = None
    hold: Reason | None = None
    over: bool = False
    revoked: Reason | None = None


NOTHING = Access(given=False)


def rules() -> Rules:
    """Return the rules as staff have set them. One query."""
    rows = PolicyRule.objects.values_list("kind", "cause", "action", "days")
    return {**DEFAULTS, **{(kind, cause): Rule(Action(action), days) for kind, cause, action, days in rows}}


def taken(kind: str, facts: Facts, rules: Rules) -> Taken:
    """Say what refunds and disputes take of what one payment gave: the heaviest action of all that apply.

    A refund that a bank still works on revokes nothing: it may come back, and revoking is for good.
    """
    found = []
    for cause, since in _causes(facts):
        rule = rules[kind, cause]
        action = rule.action
        if action is Action.REVOKE and not _final(cause, facts):
            action = Action.SUSPEND
        ends_at = since + timedelta(days=rule.days) if action is Action.SHORTEN else None
        found.append(Taken(action, REASON[cause], ends_at))
    heaviest = max(found, key=lambda one: WEIGHT.index(one.action), default=Taken())
    ends = [one.ends_at for one in found if one.ends_at]
    return replace(heaviest, ends_at=min(ends, default=None)) if heaviest.action is not Action.KEEP else Taken()


def access_of(
    subscription: Subscription,
    facts: Facts | None,
    rules: Rules,
    *,
    uncollectible: bool = False,
    skipped: bool = False,
    paid_until: datetime | None = None,
) -> Access:
    """Say what a subscription gives now.

    `facts`: of what was paid for its last period; None while it has not been paid yet. `uncollectible`: the period
    that runs was billed, and given up. `skipped`: it began on a pause, so nobody has paid or will pay it.
    `paid_until`: the end of the last period that was paid, which may be older than the one before this.
    """
    if subscription.status in (Status.INCOMPLETE, Status.INCOMPLETE_EXPIRED):
        return NOTHING
    end = subscription.current_period_end
    if subscription.status == Status.CANCELED:
        return Access(given=True, ends_at=subscription.ended_at or subscription.canceled_at or end, over=True)
    kind = Kind.TRIAL if facts is None else Kind.SUBSCRIPTION
    if cause := _lateness(subscription, kind, rules, uncollectible=uncollectible, skipped=skipped):
        start = subscription.current_period_start
        access = _late(subscription, cause, rules[kind, cause], start=min(start, paid_until or start))
    elif subscription.cancel_at and subscription.cancel_at <= end:
        access = Access(given=True, ends_at=subscription.cancel_at)
    else:
        access = Access(given=True, ends_at=end, grace_until=end + RENEWAL_GRACE)
    return access if facts is None else _less(access, taken(kind, facts, rules), first=subscription.started_at)


def _lateness(
    subscription: Subscription, kind: Kind, rules: Rules, *, uncollectible: bool, skipped: bool
) -> Cause | None:
    """Name the cause by which the period that runs is not paid; of two the one whose rule takes more."""
    status = LATENESS.get(Status(subscription.status))
    told = status or (Cause.PAUSED if subscription.paused_at or skipped else None)
    if not uncollectible:
        return told
    # Stripe calls it active again, as if it were paid.
    given_up = rules[kind, Cause.UNCOLLECTIBLE]
    if told is None:
        return None if given_up.action is Action.KEEP else Cause.UNCOLLECTIBLE
    return Cause.UNCOLLECTIBLE if _weight(given_up) > _weight(rules[kind, told]) else told


def _weight(rule: Rule) -> tuple[int, int]:
    return WEIGHT.index(rule.action), -rule.days


def _causes(facts: Facts) -> Iterator[tuple[Cause, datetime]]:
    back = facts.refunded + facts.returning
    if back and facts.refunded_at:
        yield Cause.FULL_REFUND if back >= facts.captured else Cause.PARTIAL_REFUND, facts.refunded_at
    for status, opened_at in sorted(facts.disputes):
        # An inquiry has taken no money yet.
        if cause := DISPUTED.get(status):
            yield cause, opened_at


def _final(cause: Cause, facts: Facts) -> bool:
    if cause is Cause.FULL_REFUND:
        return facts.refunded >= facts.captured
    return cause is not Cause.PARTIAL_REFUND or facts.refunded > 0


def _late(subscription: Subscription, cause: Cause, rule: Rule, *, start: datetime) -> Access:
    """Apply a rule to time that is not paid: what was paid ended at its `start`."""
    end = subscription.current_period_end
    match rule.action:
        case Action.KEEP:
            return Access(given=True, ends_at=end, grace_until=end + RENEWAL_GRACE)
        case Action.SHORTEN:
            return Access(given=True, ends_at=start, grace_until=start + timedelta(days=rule.days))
        case Action.SUSPEND:
            return Access(given=True, ends_at=end if cause is Cause.PAUSED else start, hold=REASON[cause])
    return Access(given=True, ends_at=start, revoked=REASON[cause])


def _less(access: Access, taken: Taken, *, first: datetime) -> Access:
    if taken.ends_at and access.ends_at:
        last = max(first, taken.ends_at)
        kept = access.grace_until if access.grace_until and access.grace_until <= last else None
        access = replace(access, ends_at=min(access.ends_at, last), grace_until=kept)
    match taken.action:
        case Action.REVOKE:
            return replace(access, revoked=access.revoked or taken.reason)
        case Action.SUSPEND:
            return replace(access, hold=access.hold or taken.reason)
    return access
