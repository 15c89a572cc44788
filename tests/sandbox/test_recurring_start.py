"""Starting a subscription: what is made, what is charged, and what a refusal leaves."""

import pytest
import stripe

from tests.sandbox.conftest import Sandbox
from tests.sandbox.recurring import (
    BAD_CARD,
    DAY,
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
)


def test_the_first_period_is_paid_at_once(sandbox: Sandbox) -> None:
    customer, price = a_customer(sandbox, test_clock=a_clock(sandbox)), a_price(sandbox)

    subscription = subscribed(sandbox, customer, price, expand=["latest_invoice.payments"])

    invoice = subscription.latest_invoice
    assert (subscription.status, period(subscription)) == ("active", ("2026-01-31", "2026-02-28"))
    assert (invoice.status, invoice.amount_paid, invoice.billing_reason) == ("paid", 1999, "subscription_create")
    assert invoice.parent.subscription_details.subscription == subscription.id
    assert invoice.payments.data[0].status == "paid"


def test_the_events_of_a_start_are_those_of_stripe(sandbox: Sandbox) -> None:
    customer, price = a_customer(sandbox), a_price(sandbox)
    sandbox.deliver()

    subscribed(sandbox, customer, price)

    types = happened(sandbox, "customer.subscription", "invoice", "payment_intent", "charge")
    assert types == [
        "invoice.created",
        "customer.subscription.created",
        "invoice.finalized",
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
        "invoice_payment.paid",
        "invoice.updated",
        "invoice.paid",
        "invoice.payment_succeeded",
        "customer.subscription.updated",
    ]


def test_a_refused_card_leaves_the_subscription_incomplete(sandbox: Sandbox) -> None:
    customer = a_customer(sandbox, card=BAD_CARD)

    subscription = subscribed(sandbox, customer, a_price(sandbox), expand=["latest_invoice"])

    assert subscription.status == "incomplete"
    assert (subscription.latest_invoice.status, subscription.latest_invoice.next_payment_attempt) == ("open", None)
    assert "invoice.payment_failed" in sandbox.deliver()


def test_an_incomplete_subscription_becomes_active_when_its_invoice_is_paid(sandbox: Sandbox) -> None:
    customer = a_customer(sandbox, card=BAD_CARD)
    subscription = subscribed(sandbox, customer, a_price(sandbox))
    give_card(sandbox, customer, "pm_card_visa")

    sandbox.client.v1.invoices.pay(subscription.latest_invoice)

    assert again(sandbox, subscription).status == "active"


def test_an_incomplete_subscription_expires_after_23_hours(sandbox: Sandbox) -> None:
    customer = a_customer(sandbox, card=BAD_CARD)
    subscription = subscribed(sandbox, customer, a_price(sandbox))

    sandbox.advance(seconds=23 * 3600 - 60)
    before = again(sandbox, subscription).status
    sandbox.advance(seconds=120)

    after = again(sandbox, subscription, "latest_invoice")
    assert (before, after.status, after.latest_invoice.status) == ("incomplete", "incomplete_expired", "void")
    assert sandbox.deliver()[-2:] == ["invoice.voided", "customer.subscription.updated"]


def test_error_if_incomplete_raises_and_leaves_nothing(sandbox: Sandbox) -> None:
    customer, price = a_customer(sandbox, card=BAD_CARD), a_price(sandbox)
    sandbox.deliver()

    with pytest.raises(stripe.CardError) as refused:
        subscribed(sandbox, customer, price, payment_behavior="error_if_incomplete")

    assert refused.value.code == "card_declined"
    assert sandbox.client.v1.subscriptions.list({"customer": customer, "status": "all"}).data == []
    assert sandbox.deliver() == []


def test_default_incomplete_waits_for_the_buyer_to_confirm(sandbox: Sandbox) -> None:
    customer = a_customer(sandbox)

    subscription = subscribed(
        sandbox,
        customer,
        a_price(sandbox),
        payment_behavior="default_incomplete",
        expand=["latest_invoice.confirmation_secret", "latest_invoice.payments"],
    )
    intent = subscription.latest_invoice.payments.data[0].payment.payment_intent
    sandbox.client.v1.payment_intents.confirm(intent, {"payment_method": "pm_card_visa"})

    assert subscription.status == "incomplete"
    assert subscription.latest_invoice.confirmation_secret.client_secret.startswith(intent)
    assert again(sandbox, subscription).status == "active"


def test_a_card_that_wants_its_owner_leaves_the_subscription_incomplete(sandbox: Sandbox) -> None:
    customer = a_customer(sandbox, card="pm_card_authenticationRequired")

    subscription = subscribed(sandbox, customer, a_price(sandbox), expand=["latest_invoice.payments"])

    intent = subscription.latest_invoice.payments.data[0].payment.payment_intent
    assert subscription.status == "incomplete"
    assert sandbox.client.v1.payment_intents.retrieve(intent).status == "requires_action"
    assert "invoice.payment_action_required" in sandbox.deliver()


def test_a_customer_without_a_card_is_refused(sandbox: Sandbox) -> None:
    customer, price = a_customer(sandbox, card=None), a_price(sandbox)

    with pytest.raises(stripe.InvalidRequestError) as refused:
        subscribed(sandbox, customer, price)

    assert refused.value.code == "resource_missing"
    assert sandbox.client.v1.subscriptions.list({"customer": customer, "status": "all"}).data == []


def test_a_trial_costs_nothing_and_needs_no_card(sandbox: Sandbox) -> None:
    customer = a_customer(sandbox, card=None)

    subscription = subscribed(sandbox, customer, a_price(sandbox), trial_period_days=14, expand=["latest_invoice"])

    assert subscription.status == "trialing"
    assert subscription.trial_end - subscription.trial_start == 14 * DAY
    assert (subscription.latest_invoice.status, subscription.latest_invoice.amount_due) == ("paid", 0)
    assert subscription.pending_setup_intent.startswith("seti_")


def test_a_trial_shorter_than_three_days_is_told_of_at_once(sandbox: Sandbox) -> None:
    subscribed(sandbox, a_customer(sandbox), a_price(sandbox), trial_period_days=2)

    assert sandbox.deliver().count("customer.subscription.trial_will_end") == 1


def test_a_first_period_that_is_cut_short_by_the_anchor_costs_its_part(sandbox: Sandbox) -> None:
    customer, price = a_customer(sandbox, test_clock=a_clock(sandbox, "2026-04-16")), a_price(sandbox, 3000)

    subscription = subscribed(
        sandbox, customer, price, billing_cycle_anchor=moment("2026-05-01"), expand=["latest_invoice"]
    )

    assert period(subscription) == ("2026-04-16", "2026-05-01")
    assert subscription.latest_invoice.amount_paid == 1500


def test_an_invoice_to_send_makes_the_subscription_active_unpaid(sandbox: Sandbox) -> None:
    customer = a_customer(sandbox, card=None)

    subscription = subscribed(
        sandbox,
        customer,
        a_price(sandbox),
        collection_method="send_invoice",
        days_until_due=7,
        expand=["latest_invoice"],
    )

    invoice = subscription.latest_invoice
    assert (subscription.status, invoice.status, invoice.due_date - invoice.created) == ("active", "open", 7 * DAY)


def test_what_waits_for_the_customer_comes_onto_the_first_invoice(sandbox: Sandbox) -> None:
    customer, price = a_customer(sandbox), a_price(sandbox)
    sandbox.client.v1.invoice_items.create({"customer": customer, "amount": 500, "currency": "usd"})

    subscription = subscribed(
        sandbox,
        customer,
        price,
        add_invoice_items=[
            {"price_data": {"currency": "usd", "product": product_of(sandbox, price), "unit_amount": 100}}
        ],
    )

    invoice = invoices_of(sandbox, subscription)[0]
    assert sorted(line.amount for line in invoice.lines.data) == [100, 500, 1999]
    assert invoice.amount_paid == 2599


def product_of(sandbox: Sandbox, price: str) -> str:
    return str(sandbox.client.v1.prices.retrieve(price).product)


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"trial_end": 1, "trial_period_days": 5}, "trial_end"),
        ({"trial_end": 5}, "trial_end"),
        ({"billing_cycle_anchor": 4102444800}, "billing_cycle_anchor"),
        ({"collection_method": "send_invoice"}, "days_until_due"),
        ({"items": [{"quantity": 1}]}, "items[0][price]"),
        ({"items": [{"price": "price_absent"}]}, "items[0][price]"),
        ({"default_payment_method": "pm_absent"}, "default_payment_method"),
        ({"backdate_start_date": 1}, "backdate_start_date"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_terms_that_make_no_sense_are_refused_by_name(sandbox: Sandbox, more: dict[str, object], param: str) -> None:
    customer, price = a_customer(sandbox), a_price(sandbox)

    with pytest.raises(stripe.InvalidRequestError) as refused:
        subscribed(sandbox, customer, price, **more)

    assert refused.value.param == param


def test_two_currencies_do_not_run_on_one_customer(sandbox: Sandbox) -> None:
    customer = a_customer(sandbox)
    subscribed(sandbox, customer, a_price(sandbox))

    with pytest.raises(stripe.InvalidRequestError, match="cannot combine currencies"):
        subscribed(sandbox, customer, a_price(sandbox, currency="eur"))
