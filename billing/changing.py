"""Change what a running subscription bills: seen first with its price, then applied, once.

More (by the price of a month) begins now: Stripe charges the difference, and the change waits until it is paid. Less
begins with the next period, and what is paid stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError

from billing import changes, customers, facts, gateway, idempotency, retries, sync, targets
from billing.at_stripe import subscriptions as at_stripe
from billing.errors import StripeRefused
from billing.idempotency import BUSY_FOR, Asking
from billing.models import Subscription, SubscriptionChange
from billing.subscription_errors import NotChangeable, NothingChanges, PreviewGone, PriceMoved
from billing.targets import Line, Target
from billing.times import moment
from billing.transactions import whole
from events import clock
from pricing.money import Money

Status = SubscriptionChange.Status
When = SubscriptionChange.When
GOOD_FOR = timedelta(minutes=15)
GIVE_TIME = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Plan:
    """How Stripe is asked for a change, and what it costs."""

    when: SubscriptionChange.When
    params: dict[str, Any]
    due: int
    next: int
    next_at: datetime


def preview(subscription: Subscription, target: Target, *, asking: Asking) -> tuple[SubscriptionChange, bool]:
    """Show what a change costs now and next, and what access changes; good for 15 minutes. Charges nothing.

    Returns the row, and whether it is a replay. Raises NotChangeable, NothingChanges, what `targets.lines_after`
    raises, KeyReused, StripeRefused and StripeUnknown.
    """
    if change := idempotency.earlier(SubscriptionChange, asking):
        return change, True
    at = clock.now()
    if not subscription.items.filter(main=True, removed_at=None).exists():
        sync.see(subscription.stripe_id)  # Begun before items were kept.
    require_changeable(subscription)
    before = targets.lines_now(subscription)
    after = whole(targets.lines_after)(subscription, target, at=at)
    if targets.is_same(before, after):
        raise NothingChanges
    plan = _plan(subscription, before, after, at=at)
    try:
        return _save(subscription, before, after, plan, asking, at=at), False
    except IntegrityError:
        if change := idempotency.earlier(SubscriptionChange, asking):
            return change, True
        raise


def apply(change: SubscriptionChange, *, shown_due: int | None = None) -> SubscriptionChange:
    """Apply a previewed change. May be repeated: it is applied once.

    `shown_due` (minor units): what the buyer was shown. Raises PriceMoved, PreviewGone, NotChangeable, KeyInFlight,
    StripeRefused, and StripeUnknown: then it stays asked, and the janitor finds out.
    """
    if change.status != Status.PREVIEWED:
        return send(change) if change.status == Status.ASKED else change
    if clock.now() >= change.expires_at:
        raise PreviewGone
    due = _due(change.subscription, change.params)
    for other in (due, shown_due):
        if other is not None and other != change.due_minor:
            raise PriceMoved(change.amount, Money(due, change.currency))
    if _ask(change):
        return send(change, held=True)
    change.refresh_from_db()
    return apply(change)


def change(
    subscription: Subscription, target: Target, *, shown_due: int | None = None, asking: Asking
) -> SubscriptionChange | None:
    """Preview a change and apply it. May be repeated: what is so, or is coming, is not changed again.

    To ask for what he has drops the change that waits for the next period. Returns None when nothing changes. Raises
    as `preview` and `apply` do.
    """
    waiting = changes.open_of(subscription)
    if waiting is None or waiting.status in (Status.SCHEDULED, Status.ASKED):
        after = whole(targets.lines_after)(subscription, target, at=clock.now())
        if waiting and targets.billed(after) == waiting.wanted:
            return apply(waiting)  # Asked before by one who got no answer: it is taken up where it stands.
        if targets.is_same(targets.lines_now(subscription), after) and not _is_asked(waiting):
            if waiting:
                undo(subscription)
            return None
    previewed, _ = preview(subscription, target, asking=asking)
    return apply(previewed, shown_due=shown_due)


def from_next_period(subscription: Subscription, after: list[Line], *, asking: Asking) -> SubscriptionChange:
    """Bill other prices from the next period on, without proration. May be repeated: it is applied once.

    Raises NotChangeable, KeyInFlight, StripeRefused and StripeUnknown.
    """
    if change := idempotency.earlier(SubscriptionChange, asking):
        return apply(change)
    require_changeable(subscription)
    before, end = targets.lines_now(subscription), subscription.current_period_end
    params: dict[str, Any] = {"items": targets.at_stripe(after, before), "proration_behavior": "none"}
    plan = Plan(When.PERIOD_END, params, 0, _next(subscription, params), end)
    try:
        return apply(_save(subscription, before, after, plan, asking, at=clock.now()))
    except IntegrityError:
        if change := idempotency.earlier(SubscriptionChange, asking):
            return apply(change)
        raise


def undo(subscription: Subscription) -> None:
    """Drop the change that waits for the next period. Repeating it changes nothing. Raises as `preview` does."""
    found = gateway.fetch(subscription.stripe_id) or {"items": {"data": []}}
    there = {item["id"] for item in found["items"]["data"]}
    before = [
        line if line.item in there else Line(None, line.quote, line.quantity, line.main)
        for line in targets.lines_now(subscription)
    ]
    kept = {line.item for line in before}
    added = [{"id": item, "deleted": True} for item in there - kept]
    at_stripe.set_back(subscription.stripe_id, [*targets.at_stripe(before, before), *added])
    sync.see(subscription.stripe_id)


def send(change: SubscriptionChange, *, held: bool = False) -> SubscriptionChange:
    """Ask Stripe for a change, and look at what became of it. May be repeated: it is made once."""
    if not held:
        idempotency.take(change, at=clock.now())
    stripe_id = change.subscription.stripe_id
    try:
        retries.made(
            change,
            lambda: at_stripe.change(stripe_id, change.params, id=change.pk, attempt=change.attempt),
            lambda: _seen(change),
        )
    except StripeRefused as refusal:
        _fail(change, str(refusal))
        raise
    finally:
        idempotency.release(change)
    sync.see(stripe_id)
    change.refresh_from_db()
    return change


def unknown(*, at: datetime) -> list[SubscriptionChange]:
    """Return the changes of which nobody knows whether Stripe made them, the oldest 100."""
    rows = SubscriptionChange.objects.filter(status=Status.ASKED, status_at__lt=at - GIVE_TIME)
    return list(rows.select_related("subscription__customer").order_by("pk")[:100])


def settle_unknown(change: SubscriptionChange, *, at: datetime) -> None:
    """Find out: send again under the same key while Stripe remembers it, then only look."""
    if at - change.status_at < retries.RESEND_FOR:
        send(change)
        return
    sync.see(change.subscription.stripe_id)
    change.refresh_from_db()
    if change.status == Status.ASKED:
        _fail(change, "Stripe made no such change.")


def require_changeable(subscription: Subscription) -> None:
    """Raise NotChangeable for one that does not run on, or whose last change is still open."""
    if subscription.status not in (Subscription.Status.ACTIVE, Subscription.Status.TRIALING):
        raise NotChangeable(f"it is {subscription.status}")
    if subscription.cancel_at:
        raise NotChangeable("it ends; reactivate it first")
    if subscription.paused_at:
        raise NotChangeable("it is paused; resume it first")
    if facts.skipped(subscription):
        raise NotChangeable("it was paused when this period began; resume it first")
    if change := changes.open_of(subscription):
        raise NotChangeable(f"another change is {change.status}")


def _plan(subscription: Subscription, before: list[Line], after: list[Line], *, at: datetime) -> Plan:
    """Decide when a change begins, and let Stripe work out what it costs."""
    items = targets.at_stripe(after, before)
    total = sum(line.quote.amount_minor * line.quantity for line in after)
    restarts = targets.months_of(after[0]) != targets.months_of(before[0])
    end = subscription.current_period_end
    more = targets.per_month(after) - targets.per_month(before)
    on_trial = subscription.status == Subscription.Status.TRIALING
    free: dict[str, Any] = {"items": items, "proration_behavior": "none"}
    if changes.is_bridged(subscription):
        return Plan(When.PERIOD_END, {**free, "trial_end": int(end.timestamp())}, 0, total, end)
    if not on_trial and (more > 0 or (more == 0 and restarts)):
        # Frozen, so that what is charged is to the second what was shown.
        date = int(max(at, subscription.current_period_start).timestamp())
        charged = {"items": items, "proration_behavior": "always_invoice", "proration_date": date}
        invoice = at_stripe.preview(subscription.stripe_id, charged)
        params = {**charged, "payment_behavior": "pending_if_incomplete"}
        if restarts:
            ends = max(line["period"]["end"] for line in invoice["lines"]["data"])
            return Plan(When.NOW, params, invoice["amount_due"], total, moment(ends))
        return Plan(When.NOW, params, invoice["amount_due"], _next(subscription, free), end)
    if on_trial or more == 0:
        return Plan(When.NOW, free, 0, total if on_trial else _next(subscription, free), end)
    if restarts:
        # Stripe begins another interval at once, but in a trial: one bridges the time that is paid for.
        return Plan(When.PERIOD_END, {**free, "trial_end": int(end.timestamp())}, 0, total, end)
    return Plan(When.PERIOD_END, free, 0, _next(subscription, free), end)


def _next(subscription: Subscription, params: dict[str, Any]) -> int:
    return int(at_stripe.preview(subscription.stripe_id, params)["amount_due"])


def _due(subscription: Subscription, params: dict[str, Any]) -> int:
    if params["proration_behavior"] == "none":
        return 0
    asked = {name: value for name, value in params.items() if name != "payment_behavior"}
    return int(at_stripe.preview(subscription.stripe_id, asked)["amount_due"])


@whole
def _save(
    subscription: Subscription, before: list[Line], after: list[Line], plan: Plan, asking: Asking, *, at: datetime
) -> SubscriptionChange:
    return SubscriptionChange.objects.create(
        subscription=subscription,
        quote=after[0].quote,
        quantity=after[0].quantity,
        when=plan.when,
        had=targets.billed(before),
        wanted=targets.billed(after),
        quotes=[str(line.quote.pk) for line in after],
        params=plan.params,
        due_minor=plan.due,
        next_minor=plan.next,
        currency=after[0].quote.currency,
        next_at=plan.next_at,
        effective_at=at if plan.when == When.NOW else subscription.current_period_end,
        access=targets.access_difference(before, after),
        expires_at=at + GOOD_FOR,
        status=Status.PREVIEWED,
        status_at=at,
        created_at=at,
        **asking.columns,
    )


@whole
def _ask(change: SubscriptionChange) -> bool:
    """Take a previewed change up, and say whether this call did: what it stands on must be as it was then."""
    customers.lock(change.subscription.customer_id)
    subscription = Subscription.objects.select_for_update(of=("self",)).get(pk=change.subscription_id)
    change = SubscriptionChange.objects.select_for_update(of=("self",)).get(pk=change.pk)
    if change.status != Status.PREVIEWED:
        return False
    require_changeable(subscription)
    if targets.billed(targets.lines_now(subscription)) != change.had:
        raise PreviewGone
    changes.move(change, Status.ASKED)
    SubscriptionChange.objects.filter(pk=change.pk).update(busy_until=clock.now() + BUSY_FOR)
    return True


def _seen(change: SubscriptionChange) -> dict[str, Any] | None:
    """Look, and return something when the change was made or can be made no more."""
    sync.see(change.subscription.stripe_id)
    change.refresh_from_db()
    return None if change.status == Status.ASKED else change.params


@whole
def _fail(change: SubscriptionChange, why: str) -> None:
    customers.lock(change.subscription.customer_id)
    change = SubscriptionChange.objects.select_for_update(of=("self",)).get(pk=change.pk)
    if change.status == Status.ASKED:
        changes.move(change, Status.FAILED, reason=why)


def _is_asked(waiting: SubscriptionChange | None) -> bool:
    return waiting is not None and waiting.status == Status.ASKED
