"""Plans that renew: our row follows Stripe's subscription, and access follows our row."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeVar

from billing import changes, customers, facts, findings, gateway, items, policy, trials
from billing.errors import NotLive, StripeRefused
from billing.models import Checkout, Customer, Finding, Subscription, SubscriptionOrder
from billing.times import maybe, moment
from billing.transactions import whole
from entitlements.grants import Source
from entitlements.models import SourceType
from events import clock, history

Object = dict[str, Any]
Status = Subscription.Status
Origin = TypeVar("Origin", Checkout, SubscriptionOrder)
SEEN = (
    *("current_period_start", "current_period_end", "trial_end", "cancel_at", "canceled_at", "ended_at"),
    *("paused_at", "resumes_at"),
)


def settle(found: Object, *, looked_at: datetime) -> bool:
    """Bring our subscription to what Stripe says, and access with it. False when it is none of ours.

    Runs inside the caller's transaction; may be repeated, and a look older than the last changes nothing.
    """
    customer = customers.with_stripe_id(gateway.id_of(found["customer"]))
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
    if changes.follow(subscription, found, looked_at=looked_at) and items.adopt(subscription, found, at=looked_at):
        _record("subscription.changed", subscription, at=looked_at)
    trials.note(subscription, found)
    entitle(subscription, at=looked_at)
    return True


def entitle(subscription: Subscription, *, at: datetime) -> None:
    """Make access follow a subscription, by the policy. May be repeated."""
    told, unpaid = facts.of_last(subscription), facts.unpaid(subscription)
    access = policy.access_of(subscription, told, policy.rules(), **unpaid)
    source = Source(SourceType.SUBSCRIPTION, str(subscription.pk))
    items.give(subscription, subscription.version, source, access, at=at)
    items.entitle(subscription, access, at=at)


def cancel(subscription: Subscription, *, now: bool) -> None:
    """Ask Stripe to end a subscription, now or with the period that is paid, and write what it answers.

    Raises NotLive, StripeUnknown, StripeRefused. May be repeated.
    """
    if subscription.status not in Subscription.LIVE:
        raise NotLive(subscription.status)
    at = clock.now()
    found = _cancel_at_stripe(subscription.stripe_id, now=now)
    # Not by a look: one that began before may hold the lease, and would show the state before.
    whole(settle)(found, looked_at=at)


def _cancel_at_stripe(stripe_id: str, *, now: bool) -> Object:
    try:
        return gateway.cancel_subscription(stripe_id, now=now)
    except StripeRefused as refusal:
        # Stripe finds no ended one by this call: the answer to an earlier try may have been lost.
        found = gateway.fetch(stripe_id) if refusal.stripe_code == "resource_missing" else None
        if found is None:
            raise
        return found


def live(customer: Customer, product_line: str) -> Subscription | None:
    """Return the subscription that a payer has in a product line now; a second one goes on when the first has ended."""
    rows = customer.subscriptions.filter(product_line=product_line, status__in=Subscription.LIVE)
    return rows.order_by("duplicate", "pk").first()


def is_spoken_for(customer: Customer, product_line: str) -> bool:
    """Say whether a payer has a subscription in a product line, or one is being made."""
    orders = customer.subscription_orders.filter(product_line=product_line, status=SubscriptionOrder.Status.OPEN)
    return live(customer, product_line) is not None or orders.exists()


def status_of(subscription: Subscription, found: Object) -> Status:
    """Return the status that Stripe's means to us."""
    return Status.ACTIVE if changes.is_bridging(subscription, found) else Status(found["status"])


def differs(subscription: Subscription, found: Object) -> tuple[str, str] | None:
    """Name the first of its times that Stripe tells otherwise: ours, and Stripe's."""
    there = _seen(found, at=subscription.paused_at or clock.now())
    for name in ("current_period_end", "cancel_at", "ended_at", "paused_at", "resumes_at"):
        ours, theirs = getattr(subscription, name), there[name]
        if ours != theirs:
            return f"{name} {ours}", f"{name} {theirs}"
    return None


def _begin(found: Object, customer: Customer, *, at: datetime) -> Subscription | None:
    order = _origin(SubscriptionOrder, found, "subscription_order_id", customer)
    checkout = _origin(Checkout, found, "checkout_id", customer)
    origin = order or checkout
    if origin is None:
        return None
    other = live(customer, origin.product_line)
    # One made in the dashboard may carry a copy of another's metadata.
    ours: dict[str, Any] = {}
    if checkout and not Subscription.objects.filter(checkout=checkout).exists():
        ours = {"checkout": checkout}
    if order and not Subscription.objects.filter(pk=order.pk).exists():
        ours = {"id": order.pk, "previous": order.previous}
    subscription = Subscription.objects.create(
        **ours,
        customer=customer,
        quote=origin.quote,
        version=origin.quote.version,
        product_line=origin.product_line,
        duplicate=other is not None,
        stripe_id=found["id"],
        # Our clock may be behind Stripe's: access begins with the purchase, never after it.
        started_at=min(moment(found["start_date"]), at),
        status=Status.INCOMPLETE,
        status_at=at,
        **_seen(found, at=at),
    )
    _record("subscription.created", subscription, at=at)
    if order:
        order.move_to(SubscriptionOrder.Status.COMPLETE, at=at)
        SubscriptionOrder.objects.filter(pk=order.pk, stripe_id=None).update(stripe_id=found["id"])
    if other:
        findings.open(
            Finding.Kind.SECOND_SUBSCRIPTION,
            f"subscription:{subscription.pk}",
            first=str(other.pk),
            user=customer.user_id,
        )
    return subscription


def _origin(model: type[Origin], found: Object, name: str, customer: Customer) -> Origin | None:
    named = gateway.our_id(found, name)
    return model._default_manager.filter(pk=named, customer=customer).first() if named else None


def _follow(subscription: Subscription, found: Object, *, at: datetime) -> None:
    before = {name: getattr(subscription, name) for name in SEEN}
    status = status_of(subscription, found)
    seen = _seen(found, at=subscription.paused_at or at)
    if status != found["status"]:
        seen |= {"current_period_start": before["current_period_start"], "trial_end": None}
    for name, value in seen.items():
        setattr(subscription, name, value)
    subscription.looked_at = subscription.updated_at = at
    subscription.save(update_fields=[*SEEN, "looked_at", "updated_at"])
    if status not in {subscription.status, *subscription.NEXT[subscription.status]}:
        _step_over(subscription, status, at=at)
    if subscription.move_to(status, at=at):
        _record(f"subscription.{subscription.status}", subscription, at=at)
    if subscription.current_period_start > before["current_period_start"]:
        _record("subscription.renewed", subscription, at=at)
    if subscription.cancel_at != before["cancel_at"]:
        type = "subscription.cancel_scheduled" if subscription.cancel_at else "subscription.cancel_undone"
        _record(type, subscription, at=at)
    if bool(subscription.paused_at) != bool(before["paused_at"]):
        type = "subscription.collection_paused" if subscription.paused_at else "subscription.collection_resumed"
        _record(type, subscription, at=at)


def _step_over(subscription: Subscription, status: str, *, at: datetime) -> None:
    """Go by way of `active`: two looks may lie days apart, and what was between them was never seen."""
    if status in subscription.NEXT[Status.ACTIVE] and subscription.move_to(Status.ACTIVE, at=at):
        _record(f"subscription.{subscription.status}", subscription, at=at)


def _seen(found: Object, *, at: datetime) -> dict[str, datetime | None]:
    """Read what Stripe shows; of a pause it tells that there is one, not since when: `at` is taken for that."""
    # The period stands on the items since 2025-03-31.basil.
    items = found["items"]["data"]
    period_end = max(item["current_period_end"] for item in items)
    pause = found["pause_collection"]
    cancel_at = found["cancel_at"] or (period_end if found["cancel_at_period_end"] else None)
    return {
        "current_period_start": moment(min(item["current_period_start"] for item in items)),
        "current_period_end": moment(period_end),
        "trial_end": maybe(found["trial_end"]),
        "cancel_at": maybe(cancel_at),
        "canceled_at": maybe(found["canceled_at"]),
        "ended_at": maybe(found["ended_at"]),
        "paused_at": at if pause else None,
        "resumes_at": maybe(pause["resumes_at"]) if pause else None,
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
            "quantity": subscription.quantity,
            "stripe_id": subscription.stripe_id,
            **{name: value.isoformat() if (value := getattr(subscription, name)) else None for name in SEEN},
        },
    )
