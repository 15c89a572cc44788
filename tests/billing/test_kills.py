"""A process is killed at every point of every flow that writes money or access: nothing is lost, doubled or stuck."""

from __future__ import annotations

import json
import os
import signal
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TextIO

import pytest
from django.conf import settings
from django.db import connections

from billing import gateway, janitor, reconcile, refunds, subscriptions, sync
from billing.at_stripe.lists import Window
from billing.errors import NotLive
from billing.idempotency import Asking
from billing.models import (
    Checkout,
    Customer,
    Invoice,
    Lease,
    Payment,
    PaymentMethod,
    Refund,
    Subscription,
    SubscriptionChange,
    WebhookEvent,
)
from billing.models.asked import Asked
from events import clock
from tests.api import api
from tests.books import empty, require_whole
from tests.buyer import Buyer
from tests.config.test_lane import Server
from tests.shown import Shown
from tests.stripe_side import StripeSide, work_off
from vault import stops

Object = dict[str, Any]


@dataclass(frozen=True)
class Flow:
    """What was there before, what a process does when it is killed, and what must be so when all is settled."""

    before: Callable[[Buyer], None]
    act: Callable[[Buyer], None]
    after: Callable[[Buyer], None]
    # A client that got no answer asks again, with the same key.
    repeats: bool = True


def nothing(buyer: Buyer) -> None:
    """Nobody has bought anything yet."""


def order(plan_id: str) -> Callable[[Buyer], None]:
    return lambda buyer: void(buyer.order(plan_id, key="k-1"))


def void(_: object) -> None:
    """Drop a result."""


def paid_page(plan_id: str) -> Callable[[Buyer], None]:
    def pay(buyer: Buyer) -> None:
        buyer.stripe.pay(str(buyer.order(plan_id, key="k-1").stripe_id))

    return pay


def events_arrive(buyer: Buyer) -> None:
    """What Stripe sends comes in at the door, and the worker does its work."""
    buyer.stripe.deliver()


def events_by_the_lane(buyer: Buyer) -> None:
    """The same by the way in front of Django; the first is Django's, from which the lane learns its headers."""
    server = Server()
    for event in buyer.stripe.new_events():
        body = json.dumps(event).encode()
        assert server.ask("lane", body, HTTP_STRIPE_SIGNATURE=buyer.stripe.sign(body))[0] == "200 OK"
    assert server.asked <= 1
    work_off()


def refund(buyer: Buyer) -> None:
    asking = Asking.of("admin:ada", "r-1", {})
    try:
        refunds.create(Payment.objects.get(), 500, reason="duplicate", asking=asking)
    finally:
        sync.try_look(str(Payment.objects.get().stripe_id))


def cancel(*, now: bool) -> Callable[[Buyer], None]:
    def ask(buyer: Buyer) -> None:
        try:
            subscriptions.cancel(Subscription.objects.get(), now=now)
        except NotLive:
            assert now  # It was done the first time.

    return ask


def ask(method: str, path: str, role: str = "user", key: str | None = None, **body: Any) -> Callable[[Buyer], None]:
    """Ask the API for something; `{id}` in the path is that of the subscription."""

    def send(buyer: Buyer) -> None:
        row = Subscription.objects.filter(customer__user_id=buyer.user_id).first()
        client = api(buyer.user_id if role == "user" else "shop", role, **({"Idempotency-Key": key} if key else {}))
        said = {name: buyer.user_id if value == "{user}" else value for name, value in body.items()}
        url = f"/api/v1/{path.format(id=row.pk if row else '')}"
        answer = client.generic(method, url, json.dumps(said).encode(), content_type="application/json")
        assert answer.status_code in (200, 201), answer.content

    return send


def landing(buyer: Buyer) -> None:
    """The buyer comes back to the product's page, before any event."""
    sync.refresh(Checkout.objects.get())


def one_page(buyer: Buyer) -> None:
    checkout = Checkout.objects.get()
    assert checkout.stripe_id
    assert checkout.status == Checkout.Status.OPEN
    assert [one["id"] for one in buyer.stripe.get("checkout/sessions")["data"]] == [checkout.stripe_id]
    assert len(buyer.stripe.get("customers")["data"]) == 1


def bought(buyer: Buyer) -> None:
    assert buyer.payment.status == Payment.Status.SUCCEEDED
    assert buyer.may().allowed
    charges = buyer.stripe.get("charges")["data"]
    assert [one["paid"] for one in charges] == [True]


def subscribed(buyer: Buyer) -> None:
    bought(buyer)
    assert Subscription.objects.get().status == Subscription.Status.ACTIVE
    assert len(buyer.stripe.get("subscriptions", status="all")["data"]) == 1


def refunded_once(buyer: Buyer) -> None:
    assert buyer.payment.refunded_minor == 500
    assert Refund.objects.get().status == Refund.Status.SUCCEEDED
    assert [one["amount"] for one in buyer.stripe.get("refunds")["data"]] == [500]


def ending(buyer: Buyer) -> None:
    assert Subscription.objects.get().cancel_at_period_end
    assert buyer.may().allowed


def ended(buyer: Buyer) -> None:
    assert Subscription.objects.get().status == Subscription.Status.CANCELED
    assert not buyer.may().allowed


def paid_once(buyer: Buyer) -> None:
    assert buyer.payment.status == Payment.Status.SUCCEEDED
    assert [one["amount"] for one in buyer.stripe.get("charges")["data"]] == [2500]
    assert len(buyer.stripe.get("payment_intents")["data"]) == 1


def upgraded(buyer: Buyer) -> None:
    assert Subscription.objects.get().quantity == 2
    assert len([one for one in buyer.stripe.get("charges")["data"] if one["paid"]]) == 2
    assert len(buyer.stripe.get("subscriptions", status="all")["data"]) == 1


def to_be_downgraded(buyer: Buyer) -> None:
    assert Subscription.objects.get().version.plan_id == "pro-monthly"
    # One that was only previewed changes nothing.
    asked = SubscriptionChange.objects.exclude(status=SubscriptionChange.Status.PREVIEWED)
    assert [row.status for row in asked] == [SubscriptionChange.Status.SCHEDULED]
    assert len(buyer.stripe.get("charges")["data"]) == 1


def on_pause(buyer: Buyer) -> None:
    assert Subscription.objects.get().paused_at
    assert not buyer.may().allowed


def card_kept(buyer: Buyer) -> None:
    assert PaymentMethod.objects.filter(detached_at=None).exclude(attached_at=None).count() == 1
    assert len(buyer.stripe.get("customers")["data"]) == 1


def one_customer(buyer: Buyer) -> None:
    assert Customer.objects.count() == 1


def billed_once(buyer: Buyer) -> None:
    assert [row.total_minor for row in Invoice.objects.filter(subscription=None)] == [700]
    assert len([one for one in buyer.stripe.get("invoices")["data"] if one["total"] == 700]) == 1


def something_waits(buyer: Buyer) -> None:
    buyer.buy()
    buyer.stripe.post("invoiceitems", customer=str(buyer.customer.stripe_id), amount="700", currency="usd")


def has_bought(buyer: Buyer) -> None:
    buyer.buy()


def has_subscribed(buyer: Buyer) -> None:
    buyer.subscribe()


CARD, ONE = "pm_card_visa", "subscriptions/{id}"
METHOD = {"payment_method_id": CARD}
PAYMENT = {"user_id": "{user}", "amount": 2500, "currency": "USD", "payment_method": CARD}
WISH = {"plan_id": "pro-monthly", "country_code": "IN", "payment_method": CARD}
FLOWS = {
    "checkout of a purchase": Flow(nothing, order("premium-plan"), one_page),
    "checkout of a subscription": Flow(nothing, order("pro-monthly"), one_page),
    "checkout whose client went away": Flow(nothing, order("pro-monthly"), lambda _: None, repeats=False),
    "events of a payment": Flow(paid_page("premium-plan"), events_arrive, bought),
    "events of a subscription": Flow(paid_page("pro-monthly"), events_arrive, subscribed),
    "events by the fast lane": Flow(paid_page("pro-monthly"), events_by_the_lane, subscribed),
    "landing page": Flow(paid_page("premium-plan"), landing, bought),
    "refund": Flow(has_bought, refund, refunded_once),
    "cancel at the end": Flow(has_subscribed, cancel(now=False), ending),
    "cancel now": Flow(has_subscribed, cancel(now=True), ended),
    "payment with a card at hand": Flow(nothing, ask("POST", "payments", "service", "p-1", **PAYMENT), paid_once),
    "subscription with a card at hand": Flow(nothing, ask("POST", "subscriptions", key="s-1", **WISH), subscribed),
    "upgrade": Flow(has_subscribed, ask("PATCH", ONE, quantity=2), upgraded),
    "downgrade": Flow(has_subscribed, ask("PATCH", ONE, plan_id="basic-monthly"), to_be_downgraded),
    "pause": Flow(has_subscribed, ask("POST", f"{ONE}/pause"), on_pause),
    "a card left for later": Flow(nothing, ask("POST", "payment-methods", key="m-1", **METHOD), card_kept),
    "customer": Flow(nothing, ask("POST", "customers", key="u-1", email="anna@example.com"), one_customer),
    "invoice": Flow(something_waits, ask("POST", "invoices", "service", "i-1", user_id="{user}"), billed_once),
}
FORKS, UNCONNECTED = 4, "couldn't get a connection"
TALLY = {"points": 0, "kills": 0}


@pytest.mark.slow
@pytest.mark.parametrize("name", FLOWS)
def test_a_process_killed_at_any_point_leaves_nothing_lost_doubled_or_stuck(
    name: str, books: None, stripe_side: StripeSide
) -> None:
    """Before and after each commit and each call to Stripe."""
    flow = FLOWS[name]
    buyer = Buyer(stripe_side, "anna-0")
    flow.before(buyer)
    points = passed(lambda: flow.act(buyer))
    assert len(points) > 1
    settle(buyer, flow)
    clean(stripe_side)

    for number, (point, turn) in enumerate(points, start=1):
        buyer = Buyer(stripe_side, f"anna-{number}")
        flow.before(buyer)
        assert killed_at(point, turn, lambda: flow.act(buyer)), f"{name}: {point} was not passed"  # noqa: B023
        try:
            settle(buyer, flow)
        except Exception as reason:
            raise AssertionError(f"{name}, killed at {point} ({turn}): {reason!r}") from reason
        clean(stripe_side)
        TALLY["kills"] += 1
    TALLY["points"] += len(set(points))


def test_the_kills_are_counted(shown: Shown) -> None:
    assert TALLY["kills"] >= TALLY["points"] > 0
    shown(f"{TALLY['points']} points of {len(FLOWS)} flows, {TALLY['kills']} processes killed: nothing lost or stuck")


def passed(act: Callable[[], None]) -> list[tuple[str, int]]:
    """Do it once undisturbed: every point that was passed, and for the how manieth time."""
    heard: list[str] = []
    with listening(heard.append):
        act()
    return [(point, heard[: index + 1].count(point)) for index, point in enumerate(heard)]


@contextmanager
def listening(listener: Callable[[str], None]) -> Iterator[None]:
    stops.listeners.append(listener)
    try:
        yield
    finally:
        stops.listeners.remove(listener)


def killed_at(point: str, turn: int, act: Callable[[], None]) -> bool:
    """Do it in a process of its own that is killed, as by kill -9, at this point; False when it came to its end."""
    for _ in range(FORKS):
        status, said = in_a_process(point, turn, act)
        # A process that is forked while another thread holds a lock has that lock for ever: one such never connects.
        if UNCONNECTED not in said:
            break
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, f"it failed before it was killed: {said}"
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def in_a_process(point: str, turn: int, act: Callable[[], None]) -> tuple[int, str]:
    """Return how the process ended, and the trace of what it raised before that."""
    for each in connections.all():
        each.close()
        each.close_pool()
    gateway.client.cache_clear()
    with tempfile.TemporaryFile("w+") as said:
        child = os.fork()
        if child == 0:
            _die_at(point, turn, act, said)
        _, status = os.waitpid(child, 0)
        said.seek(0)
        return status, said.read()


def _die_at(point: str, turn: int, act: Callable[[], None], said: TextIO) -> None:
    left = [turn]

    def count(name: str) -> None:
        if name == point:
            left[0] -= 1
            if not left[0]:
                stops.plan[point] = "kill"

    stops.listeners.append(count)
    # What Django would make a 500 of is told with its trace.
    settings.DEBUG_PROPAGATE_EXCEPTIONS = True
    try:
        act()
    except BaseException:
        traceback.print_exc(file=said)
        said.flush()
        os._exit(1)
    os._exit(0)


def settle(buyer: Buyer, flow: Flow) -> None:
    """The client asks again, Stripe sends again, the janitor and the reconciliation come by: what must hold?"""
    let_time_pass()
    if flow.repeats:
        flow.act(buyer)
    arrive_again(buyer.stripe)
    janitor.settle_unknown(at=clock.now() + timedelta(minutes=2))
    arrive_again(buyer.stripe)

    flow.after(buyer)
    assert reconcile.compare(Window(clock.now() - timedelta(days=1))).differences == []
    require_whole()
    assert not Checkout.objects.filter(status=Checkout.Status.OPEN, stripe_id=None).exists()
    assert not Refund.objects.filter(status=Refund.Status.REQUESTED).exists()
    assert not WebhookEvent.objects.filter(status__in=WebhookEvent.WAITING).exists()


def let_time_pass() -> None:
    """Whoever was at work is gone: what was his for a while is free again."""
    for model in Asked.__subclasses__():
        model._default_manager.update(busy_until=None)  # type: ignore[attr-defined]
    Lease.objects.update(held_until=None)


def arrive_again(stripe: StripeSide) -> None:
    """Stripe sends every event that was not acknowledged again; here all."""
    for event in reversed(stripe.get("events", limit=100)["data"]):
        assert stripe.send(json.dumps(event).encode()).status_code == 200
    work_off()


def clean(stripe: StripeSide) -> None:
    """Empty the books and Stripe for the next one."""
    empty()
    stripe.reset()


def test_a_point_can_be_told_to_raise(books: None, stripe_side: StripeSide) -> None:
    """By name, as FAREBOX_FAULTS names it."""
    buyer = Buyer(stripe_side, "anna")
    stops.plan.update(stops.parsed("stripe.open_checkout.before=raise"))
    try:
        with pytest.raises(stops.Stopped):
            buyer.order(key="k-1")
    finally:
        stops.plan.clear()
    let_time_pass()

    assert buyer.order(key="k-1").stripe_id


def test_an_action_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="explode"):
        stops.parsed("stripe.create_refund.before=explode")
