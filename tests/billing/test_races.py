"""Sixteen at the same moment, two hundred times over; and each race again without its guard, where it must go wrong."""

from __future__ import annotations

import copy
import json
import os
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection
from django.db.models import Model, Sum

from billing import gateway, opening, refunds, subscriptions, sync
from billing.errors import BillingError, KeyInFlight, RefundTooLarge
from billing.idempotency import Asking
from billing.models import Checkout, Customer, Payment, Refund, StripeCustomer, Subscription, WebhookEvent
from billing.orders import Order
from billing.transactions import whole
from entitlements.models import Entitlement
from events import clock
from events.models import Event
from tests.books import empty
from tests.buyer import Buyer
from tests.shown import Shown

pytestmark = pytest.mark.slow
THREADS = 16
ROUNDS = int(os.environ.get("RACE_ROUNDS", "200"))
FOR_UPDATE = re.compile(r' FOR UPDATE( OF "\w+")?')
COMPARED = re.compile(r'"billing_\w+"\."status" = %s')
Act = Callable[[], object]
Guard = Callable[[], AbstractContextManager[None]]


@contextmanager
def no_row_locks() -> Iterator[None]:
    """Take off, in this thread, the row locks of billing: its SELECT ... FOR UPDATE is sent without FOR UPDATE."""

    def plain(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        return execute(FOR_UPDATE.sub("", sql) if '"billing_' in sql else sql, params, many, context)

    with connection.execute_wrapper(plain):
        yield


@contextmanager
def no_compare_and_set() -> Iterator[None]:
    """Take off the row locks, and the WHERE status = ... by which one of many may change a status."""

    def anyway(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        blind = COMPARED.sub("%s::text IS NOT NULL", sql) if sql.startswith('UPDATE "billing_') else sql
        return execute(blind, params, many, context)

    with no_row_locks(), connection.execute_wrapper(anyway):
        yield


@contextmanager
def without_constraint(model: type[Model], name: str) -> Iterator[None]:
    """Drop a constraint from the test database; what the test wrote is gone when it comes back."""
    constraint = next(one for one in model._meta.constraints if one.name == name)
    with connection.schema_editor() as editor:
        editor.remove_constraint(model, constraint)
    try:
        yield
    finally:
        empty()
        with connection.schema_editor() as editor:
            editor.add_constraint(model, constraint)


class Crowd:
    """Sixteen threads with a connection each."""

    def __init__(self, guard: Guard = nullcontext):
        self.guard, self.pool = guard, ThreadPoolExecutor(THREADS)
        self.together = threading.Barrier(THREADS)
        self.spare = connection.pool.max_size
        connection.pool.resize(1, THREADS + 2)

    def __enter__(self) -> Crowd:
        return self

    def __exit__(self, *_: object) -> None:
        self._all([lambda: connection.close()] * THREADS)
        self.pool.shutdown()
        connection.pool.resize(1, self.spare)

    def race(self, acts: Sequence[Act]) -> list[object]:
        """Let all act at the same moment; what one of them raised stands in place of what he got."""
        return self._all([lambda act=act: self._tried(act) for act in acts])

    def _all(self, acts: Sequence[Act]) -> list[object]:
        return list(self.pool.map(self._at_once, acts))

    def _at_once(self, act: Act) -> object:
        self.together.wait(timeout=60)
        return act()

    def _tried(self, act: Act) -> object:
        try:
            with self.guard():
                return act()
        except (BillingError, DatabaseError) as reason:
            return reason


def rounds_until(fault: Callable[[int], bool]) -> int:
    """Return in which round something went wrong, 0 when none did."""
    return next((number for number in range(1, ROUNDS + 1) if fault(number)), 0)


def paid(customer: Customer, count: int) -> list[Payment]:
    """Make payments of 1200 that have succeeded."""
    at = clock.now()
    rows = [
        Payment(
            customer=customer,
            stripe_id=f"pi_race_{number}",
            amount_minor=1200,
            captured_minor=1200,
            currency="usd",
            status="succeeded",
            status_at=at,
            paid_at=at,
        )
        for number in range(count)
    ]
    return Payment.objects.bulk_create(rows)


def refunded_too_much(crowd: Crowd, payment: Payment) -> bool:
    """Let sixteen ask for 500 of 1200 each, and say whether more than 1200 was promised."""
    asking = Asking.of("admin:root", None, {})
    got = crowd.race([lambda: refunds._request(payment, 500, "", asking, None)] * THREADS)
    promised = Refund.objects.filter(payment=payment).aggregate(sum=Sum("amount_minor"))["sum"]
    assert {type(one) for one in got} <= {Refund, RefundTooLarge}
    return bool(promised > 1200)


@pytest.mark.broken_books  # Payments without a history, written in one go.
def test_refunds_at_once_never_pass_what_was_paid(books: None, shown: Shown) -> None:
    """RF-01, RF-05: sixteen ask for 500 of 1200: two get it, fourteen are told what is left."""
    payments = paid(Customer.objects.create(user_id="anna"), ROUNDS)

    with Crowd() as crowd:
        assert not any(refunded_too_much(crowd, payment) for payment in payments)

    assert Refund.objects.count() == 2 * ROUNDS
    assert set(Payment.objects.values_list("refunded_minor", flat=True)) == {1000}
    shown(f"two refunds: {ROUNDS} rounds x {THREADS} threads, {2 * ROUNDS} refunds, none too many")


@pytest.mark.broken_books
def test_without_row_locks_refunds_pass_what_was_paid(books: None, shown: Shown) -> None:
    """The twin: no SELECT ... FOR UPDATE."""
    payments = paid(Customer.objects.create(user_id="anna"), ROUNDS)

    with Crowd(no_row_locks) as crowd:
        broke = rounds_until(lambda number: refunded_too_much(crowd, payments[number - 1]))

    assert broke
    shown(f"two refunds without row locks: too much in round {broke}")


def ordered_twice(crowd: Crowd, key: str) -> bool:
    """Let sixteen order with one key, and say whether there are two checkouts."""
    order = Order("premium-plan", "IN", "http://localhost:3000/done", "http://localhost:3000/back")
    asking = Asking.of("user:anna", key, {"plan_id": "premium-plan"})
    got = crowd.race([lambda: opening.open("anna", order, asking=asking)] * THREADS)
    assert {type(one) for one in got} <= {tuple, KeyInFlight}, got
    return Checkout.objects.filter(idempotency_key=key).count() != 1


def test_orders_at_once_with_one_key_are_one_checkout(buyer: Buyer, shown: Shown) -> None:
    """PZ-09, AC-01: one row, one page at Stripe, one payment; the others get the same, or a KeyInFlight."""
    buyer.order()

    with Crowd() as crowd:
        assert not any(ordered_twice(crowd, f"k-{number}") for number in range(ROUNDS))

    assert Checkout.objects.count() == Payment.objects.count() == ROUNDS + 1
    assert Checkout.objects.values("stripe_id").distinct().count() == ROUNDS + 1
    made = buyer.stripe.requests("POST", "/v1/checkout/sessions")
    assert len(made) <= ROUNDS + 1
    shown(f"double checkout: {ROUNDS} rounds x {THREADS} threads, one checkout each")


@pytest.mark.broken_books
def test_without_the_constraint_orders_at_once_are_several(buyer: Buyer, shown: Shown) -> None:
    """The twin: no unique (principal, key)."""
    buyer.order()

    with without_constraint(Checkout, "one_checkout_per_key"), Crowd() as crowd:
        broke = rounds_until(lambda number: ordered_twice(crowd, f"k-{number}"))

    assert broke
    shown(f"double checkout without the constraint: two in round {broke}")


class Ends:
    """Subscriptions of many payers, each of which renews at Stripe and is then canceled there."""

    def __init__(self, bought: Subscription):
        self.bought, self.at = bought, clock.now()
        self.found = gateway.fetch(bought.stripe_id) or {}
        customers = Customer.objects.bulk_create([Customer(user_id=f"payer-{number}") for number in range(ROUNDS)])
        StripeCustomer.objects.bulk_create(
            [StripeCustomer(customer=one, stripe_id=f"cus_{one.user_id}", currency="usd") for one in customers]
        )
        self.rows = Subscription.objects.bulk_create([self._row(one) for one in customers])

    def _row(self, customer: Customer) -> Subscription:
        same = ("version", "quote", "product_line", "started_at", "current_period_start", "current_period_end")
        copied = {name: getattr(self.bought, name) for name in same}
        return Subscription(
            customer=customer, stripe_id=f"sub_{customer.user_id}", status="active", status_at=self.at, **copied
        )

    def seen(self, row: Subscription, **said: Any) -> dict[str, Any]:
        """Return what Stripe shows of one of them."""
        found = copy.deepcopy(self.found) | {"id": row.stripe_id, "customer": f"cus_{row.customer.user_id}"}
        for item in found["items"]["data"]:
            item["id"] += row.customer.user_id
        return found | {"metadata": {}} | said

    def renewed(self, row: Subscription) -> dict[str, Any]:
        found = self.seen(row)
        for item in found["items"]["data"]:
            start = item["current_period_end"]
            item |= {"current_period_start": start, "current_period_end": start + 30 * 86400}
        return found

    def canceled(self, row: Subscription) -> dict[str, Any]:
        end = int(self.at.timestamp())
        return self.renewed(row) | {"status": "canceled", "canceled_at": end, "ended_at": end}

    def outlives(self, crowd: Crowd, row: Subscription) -> bool:
        """Let the looks of before and after the end write at once, and say whether anything of it is forgotten."""

        def write(found: dict[str, Any], at: datetime) -> Act:
            return lambda: whole(subscriptions.settle)(found, looked_at=at)

        acts = []
        for number in range(THREADS // 2):
            step = timedelta(milliseconds=number)
            acts.append(write(self.renewed(row), self.at - timedelta(seconds=1) + step))
            acts.append(write(self.canceled(row), self.at + step))
        got = crowd.race(acts)
        assert all(one is True or isinstance(one, DatabaseError) for one in got), got
        row = Subscription.objects.select_related("customer").get(pk=row.pk)
        given = Entitlement.objects.filter(user_id=row.customer.user_id, status="active")
        return row.status != "canceled" or row.ended_at is None or given.exists() or any(one is not True for one in got)


def test_a_cancel_against_a_renewal_ends_it(buyer: Buyer, shown: Shown) -> None:
    """SU-05, WH-07: whoever wrote last, the later look stands: it has ended, and access with it."""
    ends = Ends(buyer.subscribe())

    with Crowd() as crowd:
        assert not any(ends.outlives(crowd, row) for row in ends.rows)

    counted = Event.objects.filter(type="subscription.canceled").values("object").distinct().count()
    assert counted == Event.objects.filter(type="subscription.canceled").count() == ROUNDS
    shown(f"cancel against renewal: {ROUNDS} rounds x {THREADS} threads, all ended")


@pytest.mark.broken_books
def test_without_row_locks_a_renewal_outlives_its_cancel(buyer: Buyer, shown: Shown) -> None:
    """The twin: no SELECT ... FOR UPDATE."""
    ends = Ends(buyer.subscribe())

    with Crowd(no_row_locks) as crowd:
        broke = rounds_until(lambda number: ends.outlives(crowd, ends.rows[number - 1]))

    assert broke
    shown(f"cancel against renewal without row locks: wrong in round {broke}")


def come_back(buyer: Buyer, number: int) -> Checkout:
    """Let a buyer pay, and Stripe's event come in, which nobody has looked at yet."""
    checkout = buyer.order(key=f"k-{number}")
    buyer.stripe.pay(str(checkout.stripe_id))
    told = {
        "id": f"evt_race_{number}",
        "object": "event",
        "type": "checkout.session.completed",
        "created": int(clock.now().timestamp()),
        "livemode": False,
        "api_version": None,
        "data": {"object": {"id": checkout.stripe_id, "object": "checkout.session"}},
    }
    assert buyer.stripe.send(json.dumps(told).encode()).status_code == 200
    return checkout


def told_twice(crowd: Crowd, checkout: Checkout, *, leased: bool) -> bool:
    """Let the landing page and the worker look at once, and say whether what was paid is not told and given once."""
    stripe_id = str(checkout.stripe_id)
    if leased:
        mine = [Checkout.objects.get(pk=checkout.pk) for _ in range(THREADS // 2)]
        acts: list[Act] = [lambda one=one: sync.refresh(one) for one in mine]
        acts += [lambda: sync.try_look(stripe_id)] * (THREADS // 2)
    else:
        acts = [lambda: sync.see(stripe_id)] * THREADS
    crowd.race(acts)
    payment = Payment.objects.get(checkout=checkout)
    told = Event.objects.filter(object=f"payment:{payment.pk}", type="payment.completed").count()
    done = Event.objects.filter(object=f"checkout:{checkout.pk}", type="checkout.session.completed").count()
    given = Entitlement.objects.filter(source_id=str(payment.pk), feature_id="export").count()
    return (payment.status, told, done, given) != ("succeeded", 1, 1, 1)


def test_a_webhook_and_the_landing_page_give_access_once(buyer: Buyer, shown: Shown) -> None:
    """WH-06, PA-05: eight pages and eight workers look at once."""
    with Crowd() as crowd:
        for number in range(ROUNDS):
            assert not told_twice(crowd, come_back(buyer, number), leased=True)

    assert set(WebhookEvent.objects.values_list("status", flat=True)) == {"processed"}
    shown(f"webhook against landing page: {ROUNDS} rounds x {THREADS} threads, access once each")


@pytest.mark.broken_books
def test_without_leases_and_locks_a_purchase_is_told_twice(buyer: Buyer, shown: Shown) -> None:
    """The twin: looks that take no lease, no row lock, and compare nothing before they set a status."""
    with Crowd(no_compare_and_set) as crowd:
        broke = rounds_until(lambda number: told_twice(crowd, come_back(buyer, number), leased=False))

    assert broke
    shown(f"webhook against landing page without lease and locks: told twice in round {broke}")
