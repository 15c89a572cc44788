"""Changes of what a subscription bills: our rows follow what Stripe says of them.

A change to less is billed by Stripe at once for the next period, without proration, and what is paid stays: access
follows when that period begins. So no job stands between the wish and its moment, and a late one cannot miss it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from billing import items
from billing.models import Subscription, SubscriptionChange
from billing.times import moment
from events import clock, history

Object = dict[str, Any]
Status = SubscriptionChange.Status
ENDED = (Subscription.Status.CANCELED, Subscription.Status.INCOMPLETE_EXPIRED)


def open_of(subscription: Subscription) -> SubscriptionChange | None:
    """Return the change that is asked for, waits for its money, or for the next period."""
    return subscription.changes.filter(status__in=SubscriptionChange.OPEN).select_related("quote__version").first()


def is_bridging(subscription: Subscription, found: Object) -> bool:
    """Say whether Stripe's trial only bridges the time to a change of interval, for which the buyer has paid.

    Stripe begins a new period with another interval at once, but for a subscription in a trial.
    """
    if found["status"] != "trialing" or not found["trial_end"]:
        return False
    return _is_bridged(subscription, until=moment(found["trial_end"]))


def is_bridged(subscription: Subscription) -> bool:
    """Say whether a trial of Stripe's bridges the period that runs, also when its change was dropped since.

    Stripe charges nothing for a change in a trial, whatever it is worth.
    """
    return _is_bridged(subscription, until=subscription.current_period_end)


def _is_bridged(subscription: Subscription, *, until: datetime) -> bool:
    # Not by way of the subscription: whoever shows it may have fetched its open changes only.
    rows = SubscriptionChange.objects.filter(subscription=subscription)
    bridges = rows.filter(effective_at=until, params__has_key="trial_end")
    return bridges.exclude(status__in=(Status.PREVIEWED, Status.FAILED)).exists()


def follow(subscription: Subscription, found: Object, *, looked_at: datetime) -> bool:
    """Move the open change to what Stripe shows, and say whether what Stripe bills is what he has now.

    A look that began before the change was written down may show what was before it: it ends nothing.
    """
    ended = found["status"] in ENDED
    change = open_of(subscription)
    if change is None:
        return not ended
    reached = items.billed(found) == change.wanted
    told = looked_at > change.status_at
    if change.status == Status.ASKED:
        _follow_asked(change, found, reached=reached)
    elif change.status == Status.WAITING and (reached or (told and not found["pending_update"])):
        move(change, Status.APPLIED if reached else Status.FAILED)
    if change.status == Status.SCHEDULED:
        _follow_scheduled(subscription, change, found, reached=reached, told=told)
    return not ended and change.status != Status.SCHEDULED


def move(change: SubscriptionChange, status: Status, *, reason: str = "") -> None:
    """Move a change and write its line of history, inside the caller's transaction."""
    # The time of writing, not of the look: looks that began before it are known by it.
    at = clock.now()
    if not change.move_to(status, at=at):
        return
    if reason:
        SubscriptionChange.objects.filter(pk=change.pk).update(failure_reason=reason[:255])
    history.record(
        f"subscription.change_{status}",
        subject=history.user(change.subscription.customer.user_id),
        object=f"subscription:{change.subscription_id}",
        at=at,
        data={
            "change_id": str(change.pk),
            "plan_id": change.quote.version.plan_id,
            "quantity": change.quantity,
            "when": change.when,
            "due": change.due_minor,
            "next": change.next_minor,
            "currency": change.currency,
            "effective_at": change.effective_at.isoformat(),
        },
    )


def _follow_asked(change: SubscriptionChange, found: Object, *, reached: bool) -> None:
    if reached and change.when == SubscriptionChange.When.PERIOD_END:
        move(change, Status.SCHEDULED)
    elif reached:
        move(change, Status.APPLIED)
    elif found["pending_update"]:
        move(change, Status.WAITING)
    elif found["status"] in ENDED:
        move(change, Status.FAILED, reason="The subscription has ended.")


def _follow_scheduled(
    subscription: Subscription, change: SubscriptionChange, found: Object, *, reached: bool, told: bool
) -> None:
    begins = min(item["current_period_start"] for item in found["items"]["data"])
    if found["status"] in ENDED or (told and not reached):
        move(change, Status.DROPPED)
    elif moment(begins) >= change.effective_at:
        move(change, Status.APPLIED)
