"""What time does to a subscription: renewals, trials that end, cards that fail, collection that pauses."""

import pytest

from tests.sandbox.conftest import Sandbox
from tests.sandbox.recurring import (
    BAD_CARD,
    DAY,
    GOOD_CARD,
    a_clock,
    a_customer,
    a_price,
    again,
    give_card,
    happened,
    invoices_of,
    moment,
    period,
    subscribed,
    to,
)


def test_month_ends_follow_the_day_of_the_first_one(sandbox: Sandbox) -> None:
    clock = a_clock(sandbox, "2026-01-31")
    subscription = subscribed(sandbox, a_customer(sandbox, test_clock=clock), a_price(sandbox))

    ends = [period(subscription)[1]]
    for day in ("2026-03-01", "2026-04-01", "2026-05-01"):
        to(sandbox, clock, day)
        ends.append(period(again(sandbox, subscription))[1])

    assert ends == ["2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31"]


def test_a_renewal_is_drafted_at_the_end_and_paid_an_hour_later(sandbox: Sandbox) -> None:
    clock = a_clock(sandbox, "2026-01-31")
    subscription = subscribed(sandbox, a_customer(sandbox, test_clock=clock), a_price(sandbox))
    sandbox.deliver()

    to(sandbox, clock, "2026-02-28T00:30")
    drafted = invoices_of(sandbox, subscription)[0]
    first = happened(sandbox, "invoice", "customer.subscription", "charge")
    to(sandbox, clock, "2026-02-28T01:00")
    paid = invoices_of(sandbox, subscription)[0]
    then = happened(sandbox, "invoice", "customer.subscription", "charge")

    assert (drafted.status, drafted.billing_reason, drafted.id) == ("draft", "subscription_cycle", paid.id)
    assert (paid.status, paid.amount_paid) == ("paid", 1999)
    assert paid.period_end == moment("2026-02-28")
    assert paid.lines.data[0].period.end == moment("2026-03-31")
    assert first == ["invoice.created", "customer.subscription.updated"]
    assert then == [
        "invoice.finalized",
        "charge.succeeded",
        "invoice_payment.paid",
        "invoice.updated",
        "invoice.paid",
        "invoice.payment_succeeded",
    ]


def test_the_global_clock_renews_too(sandbox: Sandbox) -> None:
    subscription = subscribed(sandbox, a_customer(sandbox), a_price(sandbox))

    sandbox.advance(days=32)

    invoices = invoices_of(sandbox, subscription)
    assert [invoice.status for invoice in invoices] == ["paid", "paid"]
    assert again(sandbox, subscription)["items"].data[0].current_period_start > subscription.start_date


def test_the_clock_of_one_customer_leaves_the_others_alone(sandbox: Sandbox) -> None:
    one, other = a_customer(sandbox), a_customer(sandbox)
    price = a_price(sandbox)
    moved, still = subscribed(sandbox, one, price), subscribed(sandbox, other, price)

    sandbox.advance(days=32, customer=one)

    assert len(invoices_of(sandbox, moved)) == 2
    assert len(invoices_of(sandbox, still)) == 1


def test_a_failing_card_makes_past_due_and_then_ends_the_subscription(sandbox: Sandbox) -> None:
    clock = a_clock(sandbox, "2026-03-01")
    customer = a_customer(sandbox, test_clock=clock)
    subscription = subscribed(sandbox, customer, a_price(sandbox))
    give_card(sandbox, customer, BAD_CARD)

    to(sandbox, clock, "2026-04-01T02:00")
    late = again(sandbox, subscription, "latest_invoice")
    to(sandbox, clock, "2026-05-01")
    ended = again(sandbox, subscription, "latest_invoice")

    assert late.status == "past_due"
    assert late.latest_invoice.attempt_count == 1
    assert late.latest_invoice.next_payment_attempt == moment("2026-04-04T01:00")
    assert (ended.status, ended.cancellation_details.reason) == ("canceled", "payment_failed")
    assert ended.ended_at == moment("2026-04-16T01:00")
    assert (ended.latest_invoice.status, ended.latest_invoice.attempt_count) == ("open", 4)


def test_the_events_of_a_failed_renewal_are_those_of_stripe(sandbox: Sandbox) -> None:
    clock = a_clock(sandbox, "2026-03-01")
    customer = a_customer(sandbox, test_clock=clock)
    subscribed(sandbox, customer, a_price(sandbox))
    give_card(sandbox, customer, BAD_CARD)
    to(sandbox, clock, "2026-04-01T00:30")
    sandbox.deliver()

    to(sandbox, clock, "2026-04-01T01:00")

    assert happened(sandbox, "invoice", "customer.subscription", "charge", "payment_intent") == [
        "invoice.finalized",
        "payment_intent.created",
        "charge.failed",
        "payment_intent.payment_failed",
        "invoice.updated",
        "invoice.payment_failed",
        "customer.subscription.updated",
    ]


def test_a_new_card_brings_a_late_subscription_back(sandbox: Sandbox) -> None:
    clock = a_clock(sandbox, "2026-03-01")
    customer = a_customer(sandbox, test_clock=clock)
    subscription = subscribed(sandbox, customer, a_price(sandbox))
    give_card(sandbox, customer, BAD_CARD)
    to(sandbox, clock, "2026-04-02")

    give_card(sandbox, customer, GOOD_CARD)
    to(sandbox, clock, "2026-04-05")

    assert again(sandbox, subscription).status == "active"
    assert invoices_of(sandbox, subscription)[0].status == "paid"


@pytest.mark.parametrize(("after", "status"), [("unpaid", "unpaid"), ("past_due", "past_due"), ("cancel", "canceled")])
def test_the_account_says_what_follows_the_last_try(sandbox: Sandbox, after: str, status: str) -> None:
    sandbox.control("settings", after_last_try=after, retry_days=[1])
    customer = a_customer(sandbox)
    subscription = subscribed(sandbox, customer, a_price(sandbox))
    give_card(sandbox, customer, BAD_CARD)

    sandbox.advance(days=34)

    assert again(sandbox, subscription).status == status


def test_an_unpaid_subscription_drafts_invoices_and_charges_none(sandbox: Sandbox) -> None:
    sandbox.control("settings", after_last_try="unpaid", retry_days=[])
    customer = a_customer(sandbox)
    subscription = subscribed(sandbox, customer, a_price(sandbox))
    give_card(sandbox, customer, BAD_CARD)

    sandbox.advance(days=70)

    newest = invoices_of(sandbox, subscription)[0]
    assert (again(sandbox, subscription).status, newest.status, newest.auto_advance) == ("unpaid", "draft", False)


def test_a_trial_ends_with_a_warning_and_a_charge(sandbox: Sandbox) -> None:
    clock = a_clock(sandbox, "2026-03-01")
    customer = a_customer(sandbox, test_clock=clock)
    subscription = subscribed(sandbox, customer, a_price(sandbox), trial_period_days=14)
    sandbox.deliver()

    to(sandbox, clock, "2026-03-12")
    warned = sandbox.deliver()
    to(sandbox, clock, "2026-03-15T00:00")
    active = again(sandbox, subscription)
    to(sandbox, clock, "2026-03-15T01:00")

    assert warned.count("customer.subscription.trial_will_end") == 1
    assert (active.status, period(active)) == ("active", ("2026-03-15", "2026-04-15"))
    assert invoices_of(sandbox, subscription)[0].amount_paid == 1999
    assert "customer.subscription.trial_will_end" not in sandbox.deliver()


@pytest.mark.parametrize(
    ("told", "status"), [("cancel", "canceled"), ("pause", "paused"), ("create_invoice", "past_due")]
)
def test_a_trial_that_ends_without_a_card_does_as_told(sandbox: Sandbox, told: str, status: str) -> None:
    customer = a_customer(sandbox, card=None)
    settings = {"end_behavior": {"missing_payment_method": told}}
    subscription = subscribed(sandbox, customer, a_price(sandbox), trial_period_days=5, trial_settings=settings)

    sandbox.advance(days=6)

    assert again(sandbox, subscription).status == status


def test_a_paused_subscription_is_resumed_by_paying_a_new_period(sandbox: Sandbox) -> None:
    customer = a_customer(sandbox, card=None)
    settings = {"end_behavior": {"missing_payment_method": "pause"}}
    subscription = subscribed(sandbox, customer, a_price(sandbox), trial_period_days=5, trial_settings=settings)
    sandbox.advance(days=10)
    give_card(sandbox, customer, GOOD_CARD)
    sandbox.deliver()

    resumed = sandbox.client.v1.subscriptions.resume(subscription.id, {"expand": ["latest_invoice"]})

    assert (resumed.status, resumed.latest_invoice.amount_paid) == ("active", 1999)
    assert resumed.billing_cycle_anchor >= subscription.start_date + 10 * DAY
    assert "customer.subscription.resumed" in sandbox.deliver()


@pytest.mark.parametrize(
    ("behavior", "status"), [("void", "void"), ("mark_uncollectible", "uncollectible"), ("keep_as_draft", "draft")]
)
def test_paused_collection_renews_without_charging(sandbox: Sandbox, behavior: str, status: str) -> None:
    subscription = subscribed(sandbox, a_customer(sandbox), a_price(sandbox))
    sandbox.client.v1.subscriptions.update(subscription.id, {"pause_collection": {"behavior": behavior}})

    sandbox.advance(days=32)

    assert again(sandbox, subscription).status == "active"
    assert invoices_of(sandbox, subscription)[0].status == status


def test_paused_collection_goes_on_at_its_moment(sandbox: Sandbox) -> None:
    clock = a_clock(sandbox, "2026-03-01")
    subscription = subscribed(sandbox, a_customer(sandbox, test_clock=clock), a_price(sandbox))
    pause = {"behavior": "void", "resumes_at": moment("2026-03-20")}
    sandbox.client.v1.subscriptions.update(subscription.id, {"pause_collection": pause})

    to(sandbox, clock, "2026-04-02")

    assert again(sandbox, subscription).pause_collection is None
    assert invoices_of(sandbox, subscription)[0].status == "paid"


def test_a_card_confirmed_once_by_its_owner_pays_renewals_alone(sandbox: Sandbox) -> None:
    customer = a_customer(sandbox, card="pm_card_authenticationRequiredOnSetup")
    subscription = subscribed(sandbox, customer, a_price(sandbox), expand=["latest_invoice.payments"])
    sandbox.control(f"3ds/{subscription.latest_invoice.payments.data[0].payment.payment_intent}", success=True)

    confirmed = again(sandbox, subscription).status
    sandbox.advance(days=32)

    assert (subscription.status, confirmed) == ("incomplete", "active")
    assert [invoice.status for invoice in invoices_of(sandbox, subscription)] == ["paid", "paid"]


def test_a_card_that_always_wants_its_owner_fails_at_the_renewal(sandbox: Sandbox) -> None:
    customer = a_customer(sandbox, card="pm_card_authenticationRequired")
    subscription = subscribed(sandbox, customer, a_price(sandbox), expand=["latest_invoice.payments"])
    sandbox.control(f"3ds/{subscription.latest_invoice.payments.data[0].payment.payment_intent}", success=True)

    sandbox.advance(days=32)

    assert again(sandbox, subscription).status == "past_due"


def test_the_same_steps_give_the_same_ids(sandbox: Sandbox) -> None:
    def story() -> list[str]:
        sandbox.control("reset", seed=11)
        subscription = subscribed(sandbox, a_customer(sandbox), a_price(sandbox))
        sandbox.advance(days=32)
        return [str(invoice.id) for invoice in invoices_of(sandbox, subscription)]

    assert story() == story()
