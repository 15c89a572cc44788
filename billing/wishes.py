"""What a buyer wants to subscribe to: checked against the plans, and saved with its frozen price."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from billing import customers, subscriptions, trials
from billing.errors import AlreadySubscribed, NothingToPay
from billing.idempotency import BUSY_FOR, Asking
from billing.models import StripePrice, Subscription, SubscriptionOrder
from billing.orders import quote_for
from billing.subscription_errors import ItemsDiffer, NotRecurring, PriceUnknown, TrialTooLong, TrialUsed
from billing.transactions import whole
from events import clock, history
from pricing import plans, quotes
from pricing.models import PlanVersion


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for. `trial_days` None: the plan's own, if it was not taken before.

    `plan_id`, or `price_id`: a price of Stripe's that names a plan; what is charged is our price in the country.
    `items` are what stands beside the plan, each with `plan_id` or `price_id`, and `quantity`.
    """

    country_code: str
    plan_id: str | None = None
    price_id: str | None = None
    payment_method: str = ""
    trial_days: int | None = None
    quantity: int = 1
    items: tuple[Mapping[str, Any], ...] = ()
    quote_id: UUID | None = None


def version_of(plan_id: str | None, price_id: str | None) -> PlanVersion:
    """Return the version that is sold under a plan's id or a price of Stripe's.

    Raises PriceUnknown, NotRecurring, NothingToPay, PlanNotFound and PlanNotForSale.
    """
    if price_id is not None:
        made = StripePrice.objects.select_related("version").filter(stripe_id=price_id).first()
        if made is None or plans.find(made.version.plan_id).current != made.version:
            raise PriceUnknown(price_id)
        plan_id = made.version.plan_id
    version = plans.for_sale(str(plan_id))
    if version.is_free:
        raise NothingToPay(version.plan_id)
    if version.billing_cycle == PlanVersion.Cycle.ONE_TIME:
        raise NotRecurring(version.plan_id)
    return version


def beside(version: PlanVersion, items: tuple[Mapping[str, Any], ...]) -> list[tuple[PlanVersion, int]]:
    """Return the versions and quantities that stand beside a plan. Raises ItemsDiffer, and what `version_of` raises."""
    found: list[tuple[PlanVersion, int]] = []
    for item in items:
        other = version_of(item.get("plan_id"), item.get("price_id"))
        together = (other.billing_cycle, other.currency) == (version.billing_cycle, version.currency)
        if not together or other in [version, *(one for one, _ in found)]:
            raise ItemsDiffer(other.plan_id)
        found.append((other, item["quantity"]))
    return found


@whole
def save(
    user_id: str, wish: Wish, asking: Asking, *, most_trial: int | None, card: str, previous: Subscription | None
) -> SubscriptionOrder:
    """Write the order, its quotes, its trial and its line of history.

    `most_trial`: so many days of trial may be asked for, None: the plan's own. `card` is the fingerprint of the card.
    Raises AlreadySubscribed, QuoteNotGood, TrialUsed, TrialTooLong, and what `version_of` and `beside` raise.
    """
    at = clock.now()
    version = version_of(wish.plan_id, wish.price_id)
    extras = beside(version, wish.items)
    customer = customers.lock(customers.of_user(user_id, at=at).pk)
    line = version.plan.product_line
    if subscriptions.is_spoken_for(customer, line):
        raise AlreadySubscribed(line)
    days = _trial(wish, version, most_trial)
    order = SubscriptionOrder.objects.create(
        customer=customer,
        quote=quote_for(user_id, version, wish.country_code, wish.quote_id, at=at),
        product_line=line,
        quantity=wish.quantity,
        extras=_quoted(user_id, extras, wish.country_code, at=at),
        payment_method_id=wish.payment_method,
        trial_days=days,
        previous=previous,
        status=SubscriptionOrder.Status.OPEN,
        status_at=at,
        created_at=at,
        busy_until=at + BUSY_FOR,
        **asking.columns,
    )
    if days and (trials.are_used(customer, line, card=card) or not trials.claim(order, card=card)):
        if wish.trial_days:
            raise TrialUsed(line)
        SubscriptionOrder.objects.filter(pk=order.pk).update(trial_days=0)
        order.trial_days = 0
    plans.mark_sold(version, at=at)
    record("subscription.ordered", order, at=at)
    return order


def record(type: str, order: SubscriptionOrder, *, at: datetime) -> None:
    """Write a line of the buyer's history, inside the caller's transaction."""
    history.record(
        type,
        subject=history.user(order.customer.user_id),
        object=f"subscription:{order.pk}",
        at=at,
        data={
            **quotes.terms(order.quote),
            "quantity": order.quantity,
            "trial_days": order.trial_days,
            "failure_reason": order.failure_reason,
        },
    )


def _trial(wish: Wish, version: PlanVersion, most: int | None) -> int:
    if wish.trial_days is None:
        return version.trial_days
    most = version.trial_days if most is None else most
    if wish.trial_days > most:
        raise TrialTooLong(wish.trial_days, most)
    return wish.trial_days


def _quoted(user_id: str, extras: list[tuple[PlanVersion, int]], country: str, *, at: datetime) -> list[dict[str, Any]]:
    found = []
    for version, quantity in extras:
        quote = quotes.quote(version, country, user_id=user_id, at=at)
        plans.mark_sold(version, at=at)
        found.append({"quote_id": str(quote.pk), "quantity": quantity})
    return found
