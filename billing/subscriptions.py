"""Plans that renew: our row follows Stripe's subscription, and access follows our row."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from billing import customers, facts, findings, gateway, policy
from billing.errors import NotLive
from billing.models import Checkout, Customer, Finding, Subscription
from billing.times import maybe, moment
from billing.transactions import whole
from entitlements import grants
from entitlements.grants import Source
from entitlements.models import SourceType
from events import clock, history

Object = dict[str, Any]
Status = Subscription.Status
SEEN = ("current_period_start", "current_period_end", "trial_end", "cancel_at", "canceled_at", "ended_at")


def settle(found: Object, *, looked_at: datetime) -> bool:
    """Bring our subscription to what Stripe says, and access with it. False when it is none of ours.

    Runs inside the caller's transaction; may be repeated, and a look older than the last changes nothing.
    """
    customer = Customer.objects.filter(stripe_id=gateway.id_of(found["customer"])).first()
    if customer is None:
        return False
    customers.lock(customer.pk)
    subscription = Subscription.objects.select_for_update(of=("self",)).filter(stripe_id=found["id"]).first()
    if subscription is None:
        subscription = _begin(found, customer, at=looked_at)
    if subscription is None:
        return False
    if subscription.looked_at and subscription.looked_at > looked_at:
        return True
    _follow(subscription, found, at=looked_at)
    entitle(subscription, at=looked_at)
    return True


def entitle(subscription: Subscription, *, at: datetime) -> None:
    """Make access follow a subscription, by the policy. May be repeated."""
    access = policy.access_of(subscription, facts.of_last(subscription), policy.rules())
    source = Source(SourceType.SUBSCRIPTION, str(subscription.pk))
    if access.over:
        grants.cancel(source, at=access.ends_at or at)
    elif access.revoked:
        grants.revoke(source, reason=access.revoked, at=at)
    elif access.given:
        grants.grant(
            subscription.customer.user_id,
            subscription.version,
            source=source,
            starts_at=subscription.started_at,
            ends_at=access.ends_at,
            grace_until=access.grace_until,
            subscription_id=subscription.stripe_id,
            keep_suspended=access.hold is not None,
            at=at,
        )
        if access.hold:
            grants.suspend(source, reason=access.hold, at=at)


def cancel(subscription: Subscription, *, now: bool) -> None:
    """Ask Stripe to end a subscription, now or with the period that is paid, and write what it answers.

    Raises NotLive, StripeUnknown, StripeRefused. May be repeated.
    """
    if subscription.status not in Subscription.LIVE:
        raise NotLive(subscription.status)
    at = clock.now()
    found = gateway.cancel_subscription(subscription.stripe_id, now=now)
    # Not by a look: one that began before may hold the lease, and would show the state before.
    whole(settle)(found, looked_at=at)


def live(customer: Customer, product_line: str) -> Subscription | None:
    """Return the subscription that a payer has in a product line now."""
    rows = customer.subscriptions.filter(product_line=product_line, status__in=Subscription.LIVE, duplicate=False)
    return rows.first()


def _begin(found: Object, customer: Customer, *, at: datetime) -> Subscription | None:
    checkout_id = gateway.our_id(found, "checkout_id")
    checkout = Checkout.objects.filter(pk=checkout_id, customer=customer).first() if checkout_id else None
    if checkout is None:
        return None
    other = live(customer, checkout.product_line)
    subscription = Subscription.objects.create(
        customer=customer,
        # One made in the dashboard may carry a copy of another's metadata.
        checkout=None if Subscription.objects.filter(checkout=checkout).exists() else checkout,
        quote=checkout.quote,
        version=checkout.quote.version,
        product_line=checkout.product_line,
        duplicate=other is not None,
        stripe_id=found["id"],
        # Our clock may be behind Stripe's: access begins with the purchase, never after it.
        started_at=min(moment(found["start_date"]), at),
        status=Status.INCOMPLETE,
        status_at=at,
        **_seen(found),
    )
    _record("subscription.created", subscription, at=at)
    if other:
        findings.open(
            Finding.Kind.SECOND_SUBSCRIPTION,
            f"subscription:{subscription.pk}",
            first=str(other.pk),
            user=customer.user_id,
        )
    return subscription


def _follow(subscription: Subscription, found: Object, *, at: datetime) -> None:
    before = {name: getattr(subscription, name) for name in SEEN}
    for name, value in _seen(found).items():
        setattr(subscription, name, value)
    subscription.looked_at = subscription.updated_at = at
    subscription.save(update_fields=[*SEEN, "looked_at", "updated_at"])
    if found["status"] not in {subscription.status, *subscription.NEXT[subscription.status]}:
        _step_over(subscription, found["status"], at=at)
    if subscription.move_to(found["status"], at=at):
        _record(f"subscription.{subscription.status}", subscription, at=at)
    if subscription.current_period_start > before["current_period_start"]:
        _record("subscription.renewed", subscription, at=at)
    if subscription.cancel_at != before["cancel_at"]:
        type = "subscription.cancel_scheduled" if subscription.cancel_at else "subscription.cancel_undone"
        _record(type, subscription, at=at)


def _step_over(subscription: Subscription, status: str, *, at: datetime) -> None:
    """Go by way of `active`: two looks may lie days apart, and what was between them was never seen."""
    if status in subscription.NEXT[Status.ACTIVE] and subscription.move_to(Status.ACTIVE, at=at):
        _record(f"subscription.{subscription.status}", subscription, at=at)


def _seen(found: Object) -> dict[str, datetime | None]:
    # The period stands on the items since 2025-03-31.basil.
    items = found["items"]["data"]
    period_end = max(item["current_period_end"] for item in items)
    cancel_at = found["cancel_at"] or (period_end if found["cancel_at_period_end"] else None)
    return {
        "current_period_start": moment(min(item["current_period_start"] for item in items)),
        "current_period_end": moment(period_end),
        "trial_end": maybe(found["trial_end"]),
        "cancel_at": maybe(cancel_at),
        "canceled_at": maybe(found["canceled_at"]),
        "ended_at": maybe(found["ended_at"]),
    }


def _record(type: str, subscription: Subscription, *, at: datetime) -> None:
    history.record(
        type,
        subject=history.user(subscription.customer.user_id),
        object=f"subscription:{subscription.pk}",
        at=at,
        data={
            "status": subscription.status,
            "plan_id": subscription.version.plan_id,
            "stripe_id": subscription.stripe_id,
            **{name: value.isoformat() if (value := getattr(subscription, name)) else None for name in SEEN},
        },
    )
