"""Ending a subscription: at once, at the end of its period, at a moment, or not after all."""

import pytest
import stripe

from tests.sandbox.conftest import Sandbox
from tests.sandbox.recurring import (
    BAD_CARD,
    a_clock,
    a_customer,
    a_price,
    again,
    happened,
    invoices_of,
    moment,
    subscribed,
    to,
)


def test_cancel_at_period_end_ends_at_that_very_second(sandbox: Sandbox) -> None:
    clock = a_clock(sandbox, "2026-03-10")
    subscription = subscribed(sandbox, a_customer(sandbox, test_clock=clock), a_price(sandbox))

    planned = sandbox.client.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})
    to(sandbox, clock, "2026-04-09T23:59:59")
    before = again(sandbox, subscription).status
    to(sandbox, clock, "2026-04-10")

    ended = again(sandbox, subscription)
    assert (planned.status, planned.cancel_at, planned.canceled_at) == (
        "active",
        moment("2026-04-10"),
        moment("2026-03-10"),
    )
    assert (before, ended.status, ended.ended_at) == ("active", "canceled", moment("2026-04-10"))
    assert ended.cancellation_details.reason == "cancellation_requested"
    assert len(invoices_of(sandbox, subscription)) == 1
    assert sandbox.deliver()[-2:] == ["customer.subscription.deleted", "test_helpers.test_clock.ready"]


def test_a_planned_end_can_be_taken_back(sandbox: Sandbox) -> None:
    subscription = subscribed(sandbox, a_customer(sandbox), a_price(sandbox))
    sandbox.client.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})

    kept = sandbox.client.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": False})
    sandbox.advance(days=32)

    assert (kept.cancel_at, kept.canceled_at, kept.cancellation_details.reason) == (None, None, None)
    assert again(sandbox, subscription).status == "active"


def test_a_subscription_ends_at_the_moment_that_was_asked(sandbox: Sandbox) -> None:
    clock = a_clock(sandbox, "2026-03-10")
    subscription = subscribed(sandbox, a_customer(sandbox, test_clock=clock), a_price(sandbox))

    sandbox.client.v1.subscriptions.update(subscription.id, {"cancel_at": moment("2026-03-20")})
    to(sandbox, clock, "2026-03-21")

    assert again(sandbox, subscription).ended_at == moment("2026-03-20")


def test_cancel_ends_at_once_and_keeps_the_buyers_words(sandbox: Sandbox) -> None:
    subscription = subscribed(sandbox, a_customer(sandbox), a_price(sandbox))
    sandbox.deliver()

    ended = sandbox.client.v1.subscriptions.cancel(
        subscription.id, {"cancellation_details": {"comment": "moved away", "feedback": "unused"}}
    )

    details = ended.cancellation_details
    assert (ended.status, details.comment, details.feedback) == ("canceled", "moved away", "unused")
    assert details.reason == "cancellation_requested"
    assert happened(sandbox, "customer.subscription") == ["customer.subscription.deleted"]


def test_cancel_with_proration_gives_credit_for_the_rest(sandbox: Sandbox) -> None:
    clock = a_clock(sandbox, "2026-04-01")
    customer = a_customer(sandbox, test_clock=clock)
    subscription = subscribed(sandbox, customer, a_price(sandbox, 3000))
    to(sandbox, clock, "2026-04-16")

    sandbox.client.v1.subscriptions.cancel(subscription.id, {"prorate": True, "invoice_now": True})

    last = invoices_of(sandbox, subscription)[0]
    assert (last.total, last.amount_due, last.status) == (-1500, 0, "paid")
    assert sandbox.client.v1.customers.retrieve(customer).balance == -1500


def test_what_ended_can_change_its_metadata_and_nothing_else(sandbox: Sandbox) -> None:
    subscription = subscribed(sandbox, a_customer(sandbox), a_price(sandbox))
    sandbox.client.v1.subscriptions.cancel(subscription.id)

    changed = sandbox.client.v1.subscriptions.update(subscription.id, {"metadata": {"note": "late"}})

    assert changed.metadata.to_dict() == {"note": "late"}
    with pytest.raises(stripe.InvalidRequestError) as refused:
        sandbox.client.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": False})
    assert refused.value.code == "invalid_canceled_subscription_fields"
    with pytest.raises(stripe.InvalidRequestError, match="No such subscription"):
        sandbox.client.v1.subscriptions.cancel(subscription.id)


def test_an_unpaid_start_is_voided_when_it_is_canceled(sandbox: Sandbox) -> None:
    subscription = subscribed(sandbox, a_customer(sandbox, card=BAD_CARD), a_price(sandbox))

    ended = sandbox.client.v1.subscriptions.cancel(subscription.id, {"expand": ["latest_invoice"]})

    assert (ended.status, ended.latest_invoice.status) == ("incomplete_expired", "void")


def test_a_deleted_customer_takes_its_subscriptions_along(sandbox: Sandbox) -> None:
    customer = a_customer(sandbox)
    subscription = subscribed(sandbox, customer, a_price(sandbox))

    sandbox.client.v1.customers.delete(customer)

    assert again(sandbox, subscription).status == "canceled"


def test_lists_show_what_runs_unless_asked_for_all(sandbox: Sandbox) -> None:
    customer, price = a_customer(sandbox), a_price(sandbox)
    gone, running = subscribed(sandbox, customer, price), subscribed(sandbox, customer, a_price(sandbox))
    sandbox.client.v1.subscriptions.cancel(gone.id)

    def listed(**asked: object) -> list[str]:
        wanted: object = {"customer": customer, **asked}
        return [each.id for each in sandbox.client.v1.subscriptions.list(wanted).data]

    assert listed() == [running.id]
    assert listed(status="all") == [running.id, gone.id]
    assert listed(status="canceled") == [gone.id]
    assert listed(status="all", price=price) == [gone.id]
