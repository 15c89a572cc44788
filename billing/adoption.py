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
from pricing.models import PlanVersion, Quote
from pricing.money import Money

Object = dict[str, Any]
LONGEST_USER_ID = 255


@dataclass(frozen=True, slots=True)
class Payer:
    """Stripe's customer, and the user of the product who he is."""

    user_id: str
    found: Object


@dataclass(frozen=True, slots=True)
class Line:
    """A price that a subscription bills, so many times, and the plan version that it means."""

    version: PlanVersion
    price: Object
    quantity: int

    @property
    def amount(self) -> Money:
        """What one of it costs."""
        return Money(self.price["unit_amount"], self.price["currency"])

    def __str__(self) -> str:
        return f"{self.quantity} x {self.amount}" if self.quantity > 1 else str(self.amount)


@dataclass(frozen=True, slots=True)
class Running:
    """A subscription at Stripe, who pays it, and what it means here: the plan, and what stands beside it."""

    found: Object
    payer: Payer
    lines: tuple[Line, ...]

    @property
    def plan(self) -> Line:
        return self.lines[0]


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
            payer = _payer(customer, user_id_from, found.payers)
        except CannotAdopt as reason:
            found.left.append((customer["id"], str(reason)))
            continue
        payers[customer["id"]] = payer
        if customers.with_stripe_id(customer["id"]):
            found.known += 1
        else:
            found.payers.append(payer)
    for subscription, its_prices in _with_prices():
        seen("subscriptions")
        if Subscription.objects.filter(stripe_id=subscription["id"]).exists():
            found.known += 1
            continue
        try:
            found.running.append(_running(subscription, its_prices, payers, said))
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


def _payer(customer: Object, user_id_from: str, surveyed: list[Payer]) -> Payer:
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
    theirs = {one.found["currency"] for one in surveyed if one.user_id == user_id}
    if row is None and theirs and not _is_another(customer, theirs):
        raise CannotAdopt(f"another customer of the account is {user_id} too")
    _require_free(user_id, customer)
    return Payer(user_id, customer)


def _is_another(customer: Object, currencies: set[str | None]) -> bool:
    """Say whether a customer is there for a currency of its own: then a user may have it beside his others."""
    return bool(customer["currency"]) and customer["currency"] not in currencies


def _require_free(user_id: str, customer: Object) -> None:
    row = Customer.objects.filter(user_id=user_id).first()
    if row is None:
        return
    if row.erased_at:
        raise CannotAdopt(f"{user_id} was erased here")
    others = row.stripe_customers.filter(closed_at=None).exclude(stripe_id=customer["id"])
    if others.exists() and not _is_another(customer, set(others.values_list("currency", flat=True))):
        raise CannotAdopt(f"{user_id} has the customer {row.stripe_id} already")


def _with_prices() -> Iterator[tuple[Object, list[Object]]]:
    """Go through the subscriptions that run, each with its prices, which are fetched once with their products."""
    fetched: dict[str, Object] = {}
    for found in lists.running():
        if found["status"] not in Subscription.LIVE:
            continue
        ids = [item["price"]["id"] for item in found["items"]["data"]]
        for id in ids:
            if id not in fetched:
                fetched[id] = lists.price(id)
        yield found, [fetched[id] for id in ids]


def _running(found: Object, its_prices: list[Object], payers: Mapping[str, Payer], said: Mapping[str, str]) -> Running:
    payer = payers.get(gateway.id_of(found["customer"]) or "")
    if payer is None:
        raise CannotAdopt(f"its customer {gateway.id_of(found['customer'])} is left too")
    checkout_id = gateway.our_id(found, "checkout_id")
    if checkout_id and Checkout.objects.filter(pk=checkout_id).exists():
        raise CannotAdopt("it was bought here: reconcile_stripe looks at it again")
    items = found["items"]
    if items["has_more"]:
        raise CannotAdopt(f"it bills more than {len(its_prices)} prices")
    both = zip(items["data"], its_prices, strict=True)
    lines = tuple(Line(price_maps.version_of(price, said), price, item.get("quantity") or 0) for item, price in both)
    if not all(line.quantity for line in lines):
        raise CannotAdopt("it bills none of a price: " + ", ".join(line.price["id"] for line in lines))
    if len({line.version.billing_cycle for line in lines}) > 1:
        raise CannotAdopt("its prices bill by the month and by the year")
    return Running(found, payer, lines)


@whole
def _keep_payer(payer: Payer, *, at: datetime) -> Customer:
    row = customers.lock(customers.of_user(payer.user_id, at=at).pk)
    _require_free(payer.user_id, payer.found)
    if stripe_customers.row_of(payer.found["id"]) is None:
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
    customer, found, version = _keep_payer(running.payer, at=at), running.found, running.plan.version
    if Subscription.objects.filter(stripe_id=found["id"]).exists():
        return  # Somebody else has adopted it by now.
    country = (running.payer.found.get("address") or {}).get("country") or ""
    bought = [_price(line, country, customer, at=at) for line in running.lines]
    other = subscriptions.live(customer, version.plan.product_line)
    items = found["items"]["data"]
    subscription = Subscription.objects.create(
        customer=customer,
        quote=bought[0],
        version=version,
        quantity=running.plan.quantity,
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


def _price(line: Line, country: str, customer: Customer, *, at: datetime) -> Quote:
    prices.keep(line.price, line.version)
    plans.mark_sold(line.version, at)
    return quotes.adopt(line.version, country, line.amount, user_id=customer.user_id, at=at)


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
            "quantity": running.plan.quantity,
            "amount": running.plan.amount.minor,
            "currency": running.plan.amount.currency,
        },
    )
