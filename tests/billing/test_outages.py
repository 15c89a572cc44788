"""Stripe gone, slow, busy or broken at every step that writes there: 503 to the client, and in the end done once."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import DateTimeField, F, Model

from billing import janitor, reconcile, sync
from billing.at_stripe.lists import Window
from billing.errors import StripeUnknown
from billing.models import (
    Checkout,
    Finding,
    Invoice,
    Lease,
    Payment,
    PaymentMethod,
    Refund,
    StripeCustomer,
    Subscription,
    SubscriptionChange,
    SubscriptionOrder,
    WebhookEvent,
)
from events import clock
from pricing.models import Quote
from tests.api import api
from tests.billing.billed import bill_later
from tests.billing.test_payment_methods import free_method
from tests.billing.test_unknown import LATER, break_stripe, mend_stripe
from tests.buyer import Buyer
from tests.shown import Shown

V1 = "/api/v1"
ROWS: list[type[Model]] = [Checkout, Invoice, Payment, Refund, SubscriptionChange, SubscriptionOrder]
PAGES = {"success_url": "http://localhost:3000/done", "cancel_url": "http://localhost:3000/back"}


@dataclass(frozen=True)
class Step:
    """A request of ours to Stripe: what was before, who asks for it how, and what Stripe must hold of it in the end."""

    path: str
    before: Callable[[Buyer], object]
    ask: Callable[[Buyer], Any]
    count: Callable[[Buyer], int]
    # What has no row that waits is asked for again by its client.
    waits: bool = True
    # A page lives for an hour: whoever comes later asks for another one.
    anew: Callable[[Buyer], Any] | None = None


def nothing(buyer: Buyer) -> None:
    """Nobody has bought anything yet."""


def post(path: str, who: str = "anna", role: str = "user", key: str = "k-1", **body: Any) -> Any:
    sent = api(who, role)
    return sent.post(f"{V1}/{path}", body, content_type="application/json", headers={"Idempotency-Key": key})


def order(buyer: Buyer) -> Any:
    return post("checkout-sessions", plan_id="premium-plan", country_code="IN", **PAGES)


def order_anew(buyer: Buyer) -> Any:
    return post("checkout-sessions", key="k-2", plan_id="premium-plan", country_code="IN", **PAGES)


def subscribe(buyer: Buyer) -> Any:
    card = {"payment_method": "pm_card_visa", "trial_days": 0}
    return post("subscriptions", plan_id="pro-monthly", country_code="IN", **card)


def pay(buyer: Buyer) -> Any:
    return post("payments", "shop", "service", user_id="anna", amount=2500, currency="USD")


def charge(buyer: Buyer) -> Any:
    asked = {"amount": 2500, "currency": "USD", "payment_method": "pm_card_visa"}
    return post("payments", "shop", "service", user_id="anna", **asked)


def refund(buyer: Buyer) -> Any:
    return post("refunds", "root", "admin", payment_id=str(Payment.objects.get().pk), amount=300)


def smaller(buyer: Buyer) -> None:
    card = {"payment_method": "pm_card_visa", "trial_days": 0}
    assert post("subscriptions", plan_id="basic-monthly", country_code="IN", **card).status_code == 201


def grow(buyer: Buyer) -> Any:
    path = f"{V1}/subscriptions/{Subscription.objects.get().pk}"
    return api().patch(path, {"plan_id": "pro-monthly"}, content_type="application/json")


def cancel(buyer: Buyer) -> Any:
    return api().delete(f"{V1}/subscriptions/{Subscription.objects.get().pk}")


def with_card(buyer: Buyer) -> None:
    buyer.card = free_method(buyer.stripe)


def attach(buyer: Buyer) -> Any:
    return post("payment-methods", payment_method_id=buyer.card)


def wait_for_invoice(buyer: Buyer) -> None:
    buyer.subscribe()
    bill_later(buyer.customer, 500, Subscription.objects.get())


def bill(buyer: Buyer) -> Any:
    return post("invoices", "desk", "service", subscription_id=str(Subscription.objects.get().pk))


def held(path: str, **only: Any) -> Callable[[Buyer], int]:
    """Count what Stripe holds."""

    def count(buyer: Buyer) -> int:
        found = buyer.stripe.get(path, limit=100)["data"]
        return sum(all(one[name] == value for name, value in only.items()) for one in found)

    return count


def grown(buyer: Buyer) -> int:
    assert SubscriptionChange.objects.get().status == "applied"
    assert Subscription.objects.get().version.plan_id == "pro-monthly"
    return held("invoices", billing_reason="subscription_update", status="paid")(buyer)


def ending(buyer: Buyer) -> int:
    assert Subscription.objects.get().cancel_at_period_end
    return held("subscriptions", cancel_at_period_end=True)(buyer)


def attached(buyer: Buyer) -> int:
    return PaymentMethod.objects.exclude(attached_at=None).filter(detached_at=None).count()


def billed(buyer: Buyer) -> int:
    assert Invoice.objects.get(billing_reason="manual").status == "open"
    return held("invoices", billing_reason="manual", amount_due=500)(buyer)


STEPS = {
    "customer create": Step("^/v1/customers$", nothing, order, held("customers"), anew=order_anew),
    "price create": Step("^/v1/prices$", nothing, order, held("prices"), anew=order_anew),
    "checkout": Step(
        "^/v1/checkout/sessions$", nothing, order, held("checkout/sessions", status="open"), anew=order_anew
    ),
    "payment intent": Step("^/v1/payment_intents$", nothing, pay, held("payment_intents")),
    "payment confirm": Step("^/v1/payment_intents/[^/]+/confirm$", nothing, charge, held("charges", paid=True)),
    "refund": Step("^/v1/refunds$", lambda buyer: buyer.buy(), refund, held("refunds", amount=300)),
    "subscription create": Step("^/v1/subscriptions$", nothing, subscribe, held("subscriptions")),
    "change": Step("^/v1/subscriptions/[^/]+$", smaller, grow, grown),
    "cancel": Step("^/v1/subscriptions/[^/]+$", lambda buyer: buyer.subscribe(), cancel, ending, waits=False),
    "attach": Step("^/v1/payment_methods/[^/]+/attach$", with_card, attach, attached),
    "invoice": Step("^/v1/invoices$", wait_for_invoice, bill, billed),
    "invoice lines": Step("^/v1/invoices/[^/]+/add_lines$", wait_for_invoice, bill, billed),
    "invoice finalize": Step("^/v1/invoices/[^/]+/finalize$", wait_for_invoice, bill, billed),
}


def let_minutes_pass() -> None:
    """Make what waits older, as if the client had gone away some minutes ago."""
    ago = clock.now() - 2 * LATER
    for model in ROWS:
        model._default_manager.update(created_at=ago, status_at=ago)
    PaymentMethod.objects.filter(attached_at=None).update(created_at=ago)
    StripeCustomer.objects.filter(stripe_id=None).update(asked_at=ago)


def settle(buyer: Buyer, step: Step) -> None:
    let_minutes_pass()
    if not step.waits:
        assert step.ask(buyer).status_code == 200
    janitor.settle_unknown(at=clock.now() + LATER)
    buyer.stripe.deliver(times=2, shuffled=7)


@pytest.mark.parametrize("fault", ["drop_reply", "error_stored", "429"])
@pytest.mark.parametrize("name", STEPS)
def test_without_an_answer_it_is_a_503_and_in_the_end_done_once(
    buyer: Buyer, shown: Shown, name: str, fault: str
) -> None:
    """Done and never answered; 500 for ever under its key; too busy. The janitor finds the truth, nothing is twice."""
    step = STEPS[name]
    step.before(buyer)
    break_stripe(buyer, step.path, fault, times=1 if fault == "error_stored" else 2)

    answer = step.ask(buyer)

    assert answer.status_code == 503, answer.content
    assert int(answer["Retry-After"]) > 0
    mend_stripe(buyer)
    settle(buyer, step)
    assert step.count(buyer) == 1
    shown(f"{name}, {fault}: 503, then once")


def let_time_pass(span: timedelta) -> None:
    """Make all that we keep of it older: whoever reads the clock then sees that much more."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        for model in (*ROWS, Lease, PaymentMethod, Quote, WebhookEvent):
            times = [one.name for one in model._meta.get_fields() if isinstance(one, DateTimeField)]
            model._default_manager.update(**{name: F(name) - span for name in times})
        # Looked for at Stripe by when it was made there, whose clock stands still.
        StripeCustomer.objects.filter(stripe_id=None).update(asked_at=clock.now() - 2 * LATER)


@pytest.mark.parametrize("under_way", [True, False])
@pytest.mark.parametrize("name", STEPS)
def test_stripe_is_gone_for_six_hours(buyer: Buyer, name: str, under_way: bool) -> None:
    """From the start, or in the middle of the step; its client comes back, or never does: in the end it is there once.

    Meanwhile janitor and sweeper try in vain. Events that came while nothing could be fetched wait, and are worked off.
    """
    step = STEPS[name]
    step.before(buyer)
    for payer in StripeCustomer.objects.exclude(stripe_id=None):
        buyer.stripe.post(f"customers/{payer.stripe_id}", phone="+49 30 1234")
    late = buyer.stripe.new_events()
    if under_way:
        break_stripe(buyer, step.path, "drop_reply", times=2)
    else:
        buyer.stripe.control("faults", path="^/v1/", fault="drop_before", times=9999)

    answer = step.ask(buyer)

    assert answer.status_code == 503, answer.content
    if under_way:
        buyer.stripe.control("faults", path="^/v1/", fault="drop_before", times=9999)
    for minutes in (2, *[60] * 5, 58):
        let_time_pass(timedelta(minutes=minutes))
        for event in late:
            assert buyer.stripe.send(json.dumps(event).encode()).status_code == 200
        sync.sweep()
        janitor.settle_unknown(at=clock.now())
    assert WebhookEvent.objects.filter(status="retry").exists() == bool(late)

    mend_stripe(buyer)
    let_time_pass(timedelta(minutes=10))
    for page in buyer.stripe.get("checkout/sessions", status="open")["data"]:
        buyer.stripe.post(f"checkout/sessions/{page['id']}/expire")
    if not under_way or step.anew:
        assert (step.anew or step.ask)(buyer).status_code in (200, 201)
    for _ in range(2):
        janitor.settle_unknown(at=clock.now())
        buyer.stripe.deliver(times=2, shuffled=7)
        let_time_pass(timedelta(minutes=20))
    WebhookEvent.objects.filter(status="retry").update(due_at=clock.now())
    sync.drain()
    assert step.count(buyer) == 1
    assert not WebhookEvent.objects.filter(status__in=WebhookEvent.WAITING).exists()
    assert reconcile.compare(Window(clock.now() - timedelta(days=1))).differences == []


def test_a_page_that_opens_late_closes_itself(buyer: Buyer) -> None:
    """Its answer was lost, the buyer ordered again: whoever came later could not close a page without a name."""
    break_stripe(buyer, "^/v1/checkout/sessions$", "drop_reply", times=2)
    with pytest.raises(StripeUnknown):
        buyer.order("pro-monthly", key="first")
    mend_stripe(buyer)
    second = buyer.order("pro-monthly", key="second")

    janitor.settle_unknown(at=clock.now() + LATER)

    first = Checkout.objects.exclude(pk=second.pk).get()
    assert (first.status, buyer.stripe.get(f"checkout/sessions/{first.stripe_id}")["status"]) == ("expired", "expired")
    buyer.stripe.pay(str(second.stripe_id))
    buyer.stripe.deliver()
    assert Subscription.objects.get().checkout == second


def test_two_pages_paid_leave_one_subscription_and_a_finding(buyer: Buyer) -> None:
    """The first page is paid before anybody here knows of it: one subscription is his, the other is for staff."""
    break_stripe(buyer, "^/v1/checkout/sessions$", "drop_reply", times=2)
    with pytest.raises(StripeUnknown):
        buyer.order("pro-monthly", key="first")
    mend_stripe(buyer)
    (unknown,) = buyer.stripe.get("checkout/sessions")["data"]
    second = buyer.order("pro-monthly", key="second")

    buyer.stripe.pay(unknown["id"])
    buyer.stripe.pay(str(second.stripe_id))
    janitor.settle_unknown(at=clock.now() + LATER)
    buyer.stripe.deliver(shuffled=5)

    assert Subscription.objects.filter(duplicate=False).count() == 1
    extra = Subscription.objects.get(duplicate=True)
    assert Finding.objects.get(kind="second_subscription").object == f"subscription:{extra.pk}"
