"""Take over a running Stripe account: its customers, prices and subscriptions become ours. Stripe is only read.

From then on they are looked at, renewed and canceled as those that were bought here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from billing import customers, findings, gateway, price_maps, prices, stripe_customers, subscriptions
from billing.at_stripe import lists
from billing.errors import CannotAdopt
from billing.models import Checkout, Customer, Finding, Subscription
from billing.times import moment
from billing.transactions import whole
from events import clock, history
from pricing import plans, quotes
from pricing.errors import PricingError
from pricing.models import PlanVersion
from pricing.money import Money

Object = dict[str, Any]
LONGEST_USER_ID = 255


@dataclass(frozen=True, slots=True)
class Payer:
    """Stripe's customer, and the user of the product who he is."""

    user_id: str
    found: Object


@dataclass(frozen=True, slots=True)
class Running:
    """A subscription at Stripe, who pays it, and what it means here."""

    found: Object
    payer: Payer
    version: PlanVersion
    price: Object

    @property
    def amount(self) -> Money:
        return Money(self.price["unit_amount"], self.price["currency"])


@dataclass(slots=True)
class Survey:
    """What can be adopted, what was adopted before (`known`), and what is left with the reason."""

    at: datetime
    payers: list[Payer] = field(default_factory=list)
    running: list[Running] = field(default_factory=list)
    known: int = 0
    left: list[tuple[str, str]] = field(default_factory=list)


def survey(
    *, user_id_from: str = "metadata.user_id", said: Mapping[str, str], seen: Callable[[str], None] = lambda kind: None
) -> Survey:
    """Read the account and say what can be adopted. Writes nothing, here or there.

    `user_id_from`: `metadata.KEY`, `email` or `id` of Stripe's customer. `said`: ids of prices to ids of plans.
    Raises StripeUnknown, StripeRefused.
    """
    found = Survey(clock.now())
    payers: dict[str, Payer] = {}
    for customer in lists.customers():
        seen("customers")
        try:
            payer = _payer(customer, user_id_from, {one.user_id for one in found.payers})
        except CannotAdopt as reason:
            found.left.append((customer["id"], str(reason)))
            continue
        payers[customer["id"]] = payer
        if customers.with_stripe_id(customer["id"]):
            found.known += 1
        else:
            found.payers.append(payer)
    for subscription, price in _with_prices():
        seen("subscriptions")
        if Subscription.objects.filter(stripe_id=subscription["id"]).exists():
            found.known += 1
            continue
        try:
            found.running.append(_running(subscription, price, payers, said))
        except CannotAdopt as reason:
            found.left.append((subscription["id"], str(reason)))
    return found


def adopt(found: Survey, *, seen: Callable[[str], None] = lambda kind: None) -> None:
    """Write what was surveyed, each subscription whole or not at all; what fails joins `left`. May be repeated."""
    for payer in found.payers.copy():
        seen("customers adopted")
        _or_leave(found, found.payers, payer, partial(_keep_payer, payer, at=found.at))
    for running in found.running.copy():
        seen("subscriptions adopted")
        _or_leave(found, found.running, running, partial(_begin, running, at=found.at))


def _or_leave(found: Survey, kept: list[Any], one: Payer | Running, write: Callable[[], object]) -> None:
    try:
        write()
    except (CannotAdopt, PricingError) as reason:
        kept.remove(one)
        found.left.append((one.found["id"], str(reason)))


def _payer(customer: Object, user_id_from: str, taken: set[str]) -> Payer:
    kind, _, key = user_id_from.partition(".")
    user_id = (customer["metadata"] or {}).get(key) if kind == "metadata" else customer[kind]
    row = customers.with_stripe_id(customer["id"])
    user_id = user_id or (row.user_id if row else "")
    if not user_id:
        raise CannotAdopt(f"no user: its {user_id_from} is empty")
    if len(user_id) > LONGEST_USER_ID:
        raise CannotAdopt(f"its {user_id_from} is longer than {LONGEST_USER_ID} letters")
    if row and row.user_id != user_id:
        raise CannotAdopt(f"it is the customer of {row.user_id} here, and of {user_id} at Stripe")
    if row is None and user_id in taken:
        raise CannotAdopt(f"another customer of the account is {user_id} too")
    _require_free(user_id, customer)
    return Payer(user_id, customer)


def _require_free(user_id: str, customer: Object) -> None:
    row = Customer.objects.filter(user_id=user_id).first()
    if row and row.erased_at:
        raise CannotAdopt(f"{user_id} was erased here")
    if row and row.stripe_id not in (None, customer["id"]):
        raise CannotAdopt(f"{user_id} has the customer {row.stripe_id} already")


def _with_prices() -> Iterator[tuple[Object, Object]]:
    """Go through the subscriptions that run, each with its first price, which is fetched once with its product."""
    fetched: dict[str, Object] = {}
    for found in lists.running():
        if found["status"] not in Subscription.LIVE:
            continue
        price = found["items"]["data"][0]["price"]
        if price["id"] not in fetched:
            fetched[price["id"]] = lists.price(price["id"])
        yield found, fetched[price["id"]]


def _running(found: Object, price: Object, payers: Mapping[str, Payer], said: Mapping[str, str]) -> Running:
    payer = payers.get(gateway.id_of(found["customer"]) or "")
    if payer is None:
        raise CannotAdopt(f"its customer {gateway.id_of(found['customer'])} is left too")
    checkout_id = gateway.our_id(found, "checkout_id")
    if checkout_id and Checkout.objects.filter(pk=checkout_id).exists():
        raise CannotAdopt("it was bought here: reconcile_stripe looks at it again")
    items = found["items"]["data"]
    if len(items) != 1 or items[0].get("quantity") != 1:
        many = ", ".join(f"{item.get('quantity')} x {item['price']['id']}" for item in items)
        raise CannotAdopt(f"it is not one of one price: {many}")
    return Running(found, payer, price_maps.version_of(price, said), price)


@whole
def _keep_payer(payer: Payer, *, at: datetime) -> Customer:
    row = customers.lock(customers.of_user(payer.user_id, at=at).pk)
    _require_free(payer.user_id, payer.found)
    if row.stripe_id is None:
        stripe_customers.adopt(row, payer.found["id"], currency=payer.found.get("currency") or "")
        history.record(
            "customer.adopted",
            subject=history.user(payer.user_id),
            object=f"customer:{row.pk}",
            at=at,
            data={"stripe_id": payer.found["id"]},
        )
    customers.learn([payer.found], looked_at=at)
    row.refresh_from_db()
    return row


@whole
def _begin(running: Running, *, at: datetime) -> None:
    """Make the rows of a subscription with the price that it has, and give access, in one transaction."""
    customer, found, version = _keep_payer(running.payer, at=at), running.found, running.version
    if Subscription.objects.filter(stripe_id=found["id"]).exists():
        return  # Somebody else has adopted it by now.
    prices.keep(running.price, version)
    plans.mark_sold(version, at)
    country = (running.payer.found.get("address") or {}).get("country") or ""
    other = subscriptions.live(customer, version.plan.product_line)
    items = found["items"]["data"]
    subscription = Subscription.objects.create(
        customer=customer,
        quote=quotes.adopt(version, country, running.amount, user_id=customer.user_id, at=at),
        version=version,
        product_line=version.plan.product_line,
        duplicate=other is not None,
        stripe_id=found["id"],
        started_at=min(moment(found["start_date"]), at),
        current_period_start=moment(items[0]["current_period_start"]),
        current_period_end=moment(items[0]["current_period_end"]),
        status=found["status"],
        status_at=at,
    )
    _tell(subscription, running, at=at)
    if other:
        name = f"subscription:{subscription.pk}"
        findings.open(Finding.Kind.SECOND_SUBSCRIPTION, name, first=str(other.pk), user=customer.user_id)
    subscriptions.settle(found, looked_at=at)


def _tell(subscription: Subscription, running: Running, *, at: datetime) -> None:
    history.record(
        "subscription.adopted",
        subject=history.user(subscription.customer.user_id),
        object=f"subscription:{subscription.pk}",
        at=at,
        data={
            "status": subscription.status,
            "plan_id": subscription.version.plan_id,
            "stripe_id": subscription.stripe_id,
            "amount": running.amount.minor,
            "currency": running.amount.currency,
        },
    )
