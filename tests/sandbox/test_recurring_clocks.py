"""Test clocks, and the counting of periods."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st

from sandbox import amounts, clocks, periods
from sandbox.store import Store
from tests.sandbox.conftest import Sandbox
from tests.sandbox.recurring import a_clock, a_customer, a_price, again, moment, subscribed, to

MONTHLY: dict[str, Any] = {"interval": "month", "interval_count": 1}
PRICE: dict[str, Any] = {"currency": "usd", "transform_quantity": None, "billing_scheme": "per_unit"}


@pytest.mark.parametrize(
    ("anchor", "recurring", "number", "day"),
    [
        ("2026-01-31", MONTHLY, 1, "2026-02-28"),
        ("2026-01-31", MONTHLY, 2, "2026-03-31"),
        ("2026-01-31", MONTHLY, 25, "2028-02-29"),
        ("2024-02-29", {"interval": "year", "interval_count": 1}, 1, "2025-02-28"),
        ("2024-02-29", {"interval": "year", "interval_count": 1}, 4, "2028-02-29"),
        ("2026-01-31", {"interval": "month", "interval_count": 3}, 1, "2026-04-30"),
        ("2026-03-31", MONTHLY, -1, "2026-02-28"),
        ("2026-03-28", {"interval": "week", "interval_count": 2}, 1, "2026-04-11"),
        ("2026-03-28", {"interval": "day", "interval_count": 10}, 2, "2026-04-17"),
    ],
)
def test_a_boundary_is_counted_from_the_anchor(anchor: str, recurring: Any, number: int, day: str) -> None:
    assert periods.boundary(moment(anchor), recurring, number) == moment(day)


@pytest.mark.parametrize(
    ("at", "start", "end"),
    [
        ("2026-02-27T23:59:59", "2026-01-31", "2026-02-28"),
        ("2026-02-28", "2026-02-28", "2026-03-31"),
        ("2026-01-30", "2025-12-31", "2026-01-31"),
        ("2030-06-15", "2030-05-31", "2030-06-30"),
    ],
)
def test_every_moment_lies_in_one_period(at: str, start: str, end: str) -> None:
    assert periods.containing(moment("2026-01-31"), MONTHLY, moment(at)) == (moment(start), moment(end))


@given(
    anchor=st.integers(moment("2000-01-01"), moment("2040-01-01")),
    interval=st.sampled_from(["day", "week", "month", "year"]),
    count=st.integers(1, 3),
    at=st.integers(moment("2000-01-01"), moment("2040-01-01")),
)
def test_periods_follow_one_another_without_a_gap(anchor: int, interval: str, count: int, at: int) -> None:
    recurring = {"interval": interval, "interval_count": count}

    start, end = periods.containing(anchor, recurring, at)

    assert start <= at < end
    assert periods.containing(anchor, recurring, end)[0] == end
    assert periods.containing(anchor, recurring, start - 1)[1] == start


@pytest.mark.parametrize(
    ("config", "day"),
    [
        ({"day_of_month": 1}, "2026-04-01T09:00"),
        ({"day_of_month": 31, "hour": 0, "minute": 0, "second": 0}, "2026-03-31"),
        ({"day_of_month": 15, "month": 2}, "2027-02-15T09:00"),
    ],
)
def test_an_anchor_by_the_day_of_the_month_is_the_next_one(config: Any, day: str) -> None:
    assert periods.next_day_of_month(moment("2026-03-20T09:00"), config) == moment(day)


@pytest.mark.parametrize(
    ("price", "quantity", "amount"),
    [
        (PRICE | {"unit_amount_decimal": "0.5"}, 3, 2),
        (PRICE | {"unit_amount_decimal": "100", "transform_quantity": {"divide_by": 10, "round": "up"}}, 11, 200),
        (PRICE | {"billing_scheme": "tiered", "tiers_mode": "graduated"}, 12, 10 * 100 + 2 * 50),
        (PRICE | {"billing_scheme": "tiered", "tiers_mode": "volume"}, 12, 12 * 50 + 7),
    ],
)
def test_a_quantity_has_its_amount(price: Any, quantity: int, amount: int) -> None:
    tiers: list[dict[str, Any]] = [{"up_to": 10, "unit_amount": 100}, {"up_to": "inf", "unit_amount": 50}]
    if price.get("tiers_mode") == "volume":
        tiers[1]["flat_amount"] = 7

    assert amounts.amount_of({"unit_amount_decimal": None, "_tiers": tiers} | price, quantity) == amount


def test_a_credit_mirrors_its_charge() -> None:
    assert amounts.part(-333, 1, 2) == -amounts.part(333, 1, 2) == -amounts.whole(Decimal("166.5"))


def test_a_clock_says_that_it_advances_and_then_that_it_is_ready(sandbox: Sandbox) -> None:
    clocks = sandbox.client.v1.test_helpers.test_clocks
    clock = clocks.create({"frozen_time": moment("2026-01-01"), "name": "winter"})

    moving = clocks.advance(clock.id, {"frozen_time": moment("2026-02-01")})
    arrived = clocks.retrieve(clock.id)

    assert (moving.status, moving.status_details.advancing.target_frozen_time) == ("advancing", moment("2026-02-01"))
    assert (arrived.status, arrived.frozen_time, arrived.name) == ("ready", moment("2026-02-01"), "winter")
    assert sandbox.deliver() == [
        "test_helpers.test_clock.created",
        "test_helpers.test_clock.advancing",
        "test_helpers.test_clock.ready",
    ]


def test_time_does_not_run_backwards(sandbox: Sandbox) -> None:
    clock = a_clock(sandbox, "2026-02-01")

    with pytest.raises(stripe.InvalidRequestError) as refused:
        to(sandbox, clock, "2026-01-01")

    assert refused.value.param == "frozen_time"


def test_a_clock_goes_two_intervals_at_most(sandbox: Sandbox) -> None:
    clock = a_clock(sandbox, "2026-01-31")
    subscribed(sandbox, a_customer(sandbox, test_clock=clock), a_price(sandbox))

    with pytest.raises(stripe.InvalidRequestError, match="2 intervals"):
        to(sandbox, clock, "2026-04-01")


def test_a_deleted_clock_takes_its_customers_along(sandbox: Sandbox) -> None:
    clock = a_clock(sandbox)
    customer = a_customer(sandbox, test_clock=clock)
    subscription = subscribed(sandbox, customer, a_price(sandbox))

    gone = sandbox.client.v1.test_helpers.test_clocks.delete(clock)

    assert gone.deleted is True
    assert sandbox.client.v1.customers.retrieve(customer).deleted is True
    assert again(sandbox, subscription).status == "canceled"
    assert sandbox.client.v1.test_helpers.test_clocks.list().data == []


def test_an_existing_customer_can_be_given_a_clock(sandbox: Sandbox) -> None:
    customer = a_customer(sandbox)
    subscription = subscribed(sandbox, customer, a_price(sandbox))
    wanted: Any = {"frozen_time": subscription.created, "customer": customer}

    clock = sandbox.client.v1.test_helpers.test_clocks.create(wanted)

    assert sandbox.client.v1.customers.retrieve(customer).test_clock == clock.id
    assert again(sandbox, subscription).test_clock == clock.id
    with pytest.raises(stripe.InvalidRequestError):
        sandbox.client.v1.test_helpers.test_clocks.create(wanted)


def test_what_is_on_a_clock_is_listed_only_where_it_is_asked_for(sandbox: Sandbox) -> None:
    clock = a_clock(sandbox)
    subscription = subscribed(sandbox, a_customer(sandbox, test_clock=clock), a_price(sandbox))

    everywhere = sandbox.client.v1.subscriptions.list().data
    on_clock = sandbox.client.v1.subscriptions.list({"test_clock": clock}).data

    assert (everywhere, [each.id for each in on_clock]) == ([], [subscription.id])


def test_events_carry_the_time_of_their_clock(sandbox: Sandbox) -> None:
    clock = a_clock(sandbox, "2026-01-31")
    subscribed(sandbox, a_customer(sandbox, test_clock=clock), a_price(sandbox))
    sandbox.deliver()

    to(sandbox, clock, "2026-03-01")

    sandbox.deliver()
    created = {each.event["type"]: each.event["created"] for each in sandbox.receiver.arrivals}
    assert created["customer.subscription.updated"] == moment("2026-02-28")
    assert created["invoice.paid"] == created["invoice_payment.paid"] == moment("2026-02-28T01:00")


def test_time_that_goes_on_by_itself_is_set_by_nobody(tmp_path: Path) -> None:
    """A second that ends while something falls due would be lost each time, and the clock fall behind."""
    store = Store(str(tmp_path / "clock.sqlite3"))
    clocks.catch_up(store)
    assert store.setting("clock_offset", None) is None

    clocks.advance(store, None, store.now() + 60)

    offset = store.setting("clock_offset", None)
    clocks.catch_up(store)
    assert store.setting("clock_offset", None) == offset
    store.close()
