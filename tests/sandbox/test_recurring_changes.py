"""Changing a running subscription: what is prorated, what is charged at once, what waits, what a preview says."""

from typing import Any

import pytest
import stripe

from tests.sandbox.conftest import Sandbox
from tests.sandbox.recurring import (
    BAD_CARD,
    GOOD_CARD,
    a_clock,
    a_customer,
    a_price,
    again,
    give_card,
    invoices_of,
    moment,
    period,
    subscribed,
    to,
)


class Buyer:
    """A customer half-way through April, which they paid with 30.00 USD on the first."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.clock = a_clock(sandbox, "2026-04-01")
        self.id = a_customer(sandbox, test_clock=self.clock)
        self.subscription = subscribed(sandbox, self.id, a_price(sandbox, 3000))
        to(sandbox, self.clock, "2026-04-16")
        sandbox.deliver()

    def changes(self, price: str | None = None, *, quantity: int = 1, **more: Any) -> Any:
        """Change the price or the quantity of the only item."""
        item: dict[str, Any] = {"id": self.subscription["items"].data[0].id, "quantity": quantity}
        wanted: Any = {"items": [item | ({"price": price} if price else {})], **more}
        return self.sandbox.client.v1.subscriptions.update(self.subscription.id, wanted)

    @property
    def invoices(self) -> list[Any]:
        return invoices_of(self.sandbox, self.subscription)

    @property
    def now(self) -> Any:
        return again(self.sandbox, self.subscription)


@pytest.fixture
def buyer(sandbox: Sandbox) -> Buyer:
    return Buyer(sandbox)


def test_a_dearer_price_is_prorated_to_the_second_on_the_next_invoice(sandbox: Sandbox, buyer: Buyer) -> None:
    buyer.changes(a_price(sandbox, 6000, name="Platinum"))
    to(sandbox, buyer.clock, "2026-05-02")

    next_one = buyer.invoices[0]
    assert [(line.amount, line.description) for line in next_one.lines.data] == [
        (6000, "1 × Platinum (at 60.00 USD / month)"),
        (-1500, "Unused time on Gold after 16 Apr 2026"),
        (3000, "Remaining time on Platinum after 16 Apr 2026"),
    ]
    assert (next_one.total, next_one.status) == (7500, "paid")


def test_always_invoice_charges_the_difference_now(sandbox: Sandbox, buyer: Buyer) -> None:
    changed = buyer.changes(a_price(sandbox, 6000), proration_behavior="always_invoice")

    assert (buyer.invoices[0].amount_paid, buyer.invoices[0].billing_reason) == (1500, "subscription_update")
    assert (changed.latest_invoice, period(changed)) == (buyer.invoices[0].id, ("2026-04-01", "2026-05-01"))


def test_nothing_is_prorated_when_asked_so(sandbox: Sandbox, buyer: Buyer) -> None:
    buyer.changes(a_price(sandbox, 6000), proration_behavior="none")
    to(sandbox, buyer.clock, "2026-05-02")

    assert [invoice.total for invoice in buyer.invoices] == [6000, 3000]


def test_more_of_the_same_is_prorated(sandbox: Sandbox, buyer: Buyer) -> None:
    buyer.changes(quantity=3, proration_behavior="always_invoice")

    assert buyer.invoices[0].amount_paid == 3000


def test_a_cheaper_price_becomes_credit_that_later_invoices_use(sandbox: Sandbox, buyer: Buyer) -> None:
    buyer.changes(a_price(sandbox, 1000), proration_behavior="always_invoice")
    after_change = sandbox.client.v1.customers.retrieve(buyer.id).balance
    to(sandbox, buyer.clock, "2026-05-02")

    renewal = buyer.invoices[0]
    assert after_change == -1000
    assert (renewal.total, renewal.starting_balance, renewal.amount_due, renewal.ending_balance) == (1000, -1000, 0, 0)
    assert sandbox.client.v1.customers.retrieve(buyer.id).balance == 0


def test_another_interval_starts_a_new_period_that_is_charged_at_once(sandbox: Sandbox, buyer: Buyer) -> None:
    changed = buyer.changes(a_price(sandbox, 30000, "year"))

    assert period(changed) == ("2026-04-16", "2027-04-16")
    assert changed.billing_cycle_anchor == moment("2026-04-16")
    assert buyer.invoices[0].amount_paid == 30000 - 1500


def test_the_anchor_can_be_moved_to_now(sandbox: Sandbox, buyer: Buyer) -> None:
    changed = sandbox.client.v1.subscriptions.update(buyer.subscription.id, {"billing_cycle_anchor": "now"})

    assert period(changed) == ("2026-04-16", "2026-05-16")
    assert buyer.invoices[0].amount_paid == 1500


def test_a_change_that_cannot_be_paid_makes_past_due(sandbox: Sandbox, buyer: Buyer) -> None:
    give_card(sandbox, buyer.id, BAD_CARD)

    changed = buyer.changes(a_price(sandbox, 6000), proration_behavior="always_invoice")

    assert (changed.status, buyer.invoices[0].status) == ("past_due", "open")


def test_error_if_incomplete_changes_nothing(sandbox: Sandbox, buyer: Buyer) -> None:
    give_card(sandbox, buyer.id, BAD_CARD)
    before = buyer.now
    sandbox.deliver()

    with pytest.raises(stripe.CardError):
        buyer.changes(
            a_price(sandbox, 6000), proration_behavior="always_invoice", payment_behavior="error_if_incomplete"
        )

    assert buyer.now == before
    assert sandbox.deliver() == ["product.created", "price.created"]


def test_a_pending_change_waits_for_its_money_and_then_happens(sandbox: Sandbox, buyer: Buyer) -> None:
    give_card(sandbox, buyer.id, BAD_CARD)
    price = a_price(sandbox, 6000)

    waiting = buyer.changes(price, proration_behavior="always_invoice", payment_behavior="pending_if_incomplete")
    give_card(sandbox, buyer.id, GOOD_CARD)
    sandbox.client.v1.invoices.pay(waiting.latest_invoice)

    done = buyer.now
    assert (waiting.status, waiting["items"].data[0].price.unit_amount) == ("active", 3000)
    assert waiting.pending_update.subscription_items[0].price.id == price
    assert waiting.pending_update.expires_at == moment("2026-04-16T23:00")
    assert (done.pending_update, done["items"].data[0].price.id) == (None, price)
    assert [invoice.amount_paid for invoice in buyer.invoices] == [1500, 3000]
    assert sandbox.deliver()[-1] == "customer.subscription.pending_update_applied"


def test_a_pending_change_is_given_up_after_23_hours(sandbox: Sandbox, buyer: Buyer) -> None:
    give_card(sandbox, buyer.id, BAD_CARD)
    buyer.changes(a_price(sandbox, 6000), proration_behavior="always_invoice", payment_behavior="pending_if_incomplete")

    to(sandbox, buyer.clock, "2026-04-17")

    assert (buyer.now.pending_update, buyer.now.status, buyer.invoices[0].status) == (None, "active", "void")
    assert "customer.subscription.pending_update_expired" in sandbox.deliver()


def test_a_pending_change_that_is_paid_at_once_does_not_wait(sandbox: Sandbox, buyer: Buyer) -> None:
    price = a_price(sandbox, 6000)

    changed = buyer.changes(price, proration_behavior="always_invoice", payment_behavior="pending_if_incomplete")

    assert (changed.pending_update, changed["items"].data[0].price.id) == (None, price)


def test_items_are_added_and_removed(sandbox: Sandbox, buyer: Buyer) -> None:
    items = sandbox.client.v1.subscription_items
    added = items.create({"subscription": buyer.subscription.id, "price": a_price(sandbox, 600), "quantity": 2})
    raised = items.update(added.id, {"quantity": 5, "metadata": {"seats": "five"}})
    listed = [item.id for item in items.list({"subscription": buyer.subscription.id}).data]

    removed = items.delete(added.id)

    assert (added.quantity, raised.quantity, raised.metadata.to_dict()) == (2, 5, {"seats": "five"})
    assert listed == [added.id, buyer.subscription["items"].data[0].id]
    assert (removed.deleted, len(buyer.now["items"].data)) == (True, 1)
    with pytest.raises(stripe.InvalidRequestError):
        items.delete(buyer.subscription["items"].data[0].id)


def test_a_running_subscription_can_be_given_a_trial(sandbox: Sandbox, buyer: Buyer) -> None:
    changed = sandbox.client.v1.subscriptions.update(buyer.subscription.id, {"trial_end": moment("2026-05-10")})

    assert (changed.status, period(changed)[1]) == ("trialing", "2026-05-10")
    assert buyer.invoices[0].total == -1500


def test_a_trial_can_be_ended_now(sandbox: Sandbox) -> None:
    clock = a_clock(sandbox, "2026-04-01")
    subscription = subscribed(sandbox, a_customer(sandbox, test_clock=clock), a_price(sandbox), trial_period_days=20)

    changed = sandbox.client.v1.subscriptions.update(subscription.id, {"trial_end": "now"})

    assert (changed.status, period(changed)) == ("active", ("2026-04-01", "2026-05-01"))
    assert invoices_of(sandbox, subscription)[0].amount_paid == 1999


def test_only_what_changed_is_in_the_event(sandbox: Sandbox, buyer: Buyer) -> None:
    sandbox.client.v1.subscriptions.update(buyer.subscription.id, {"metadata": {"team": "red"}})

    sandbox.deliver()
    event = sandbox.receiver.arrivals[-1].event
    assert event["type"] == "customer.subscription.updated"
    assert event["data"]["previous_attributes"] == {"metadata": {}}


def preview(sandbox: Sandbox, **asked: Any) -> Any:
    return sandbox.client.v1.invoices.create_preview(asked)


def test_a_preview_says_what_the_next_renewal_will_cost(sandbox: Sandbox, buyer: Buyer) -> None:
    before = buyer.now

    shown = preview(sandbox, subscription=buyer.subscription.id)

    assert (shown.amount_due, shown.status, shown.lines.data[0].period.start) == (3000, "draft", moment("2026-05-01"))
    assert shown.id.startswith("upcoming_in_")
    assert (buyer.now, len(buyer.invoices), sandbox.deliver()) == (before, 1, [])


def test_a_preview_of_a_change_is_what_the_change_then_costs(sandbox: Sandbox, buyer: Buyer) -> None:
    price, at = a_price(sandbox, 6000), moment("2026-04-16T12:00")
    item = {"id": buyer.subscription["items"].data[0].id, "price": price}
    details = {"items": [item], "proration_behavior": "always_invoice", "proration_date": at}

    shown = preview(sandbox, subscription=buyer.subscription.id, subscription_details=details)
    buyer.changes(price, proration_behavior="always_invoice", proration_date=at)

    assert shown.amount_due == buyer.invoices[0].amount_paid == 1450


def test_a_preview_of_a_purchase_needs_no_customer(sandbox: Sandbox) -> None:
    shown = preview(sandbox, subscription_details={"items": [{"price": a_price(sandbox, 1200), "quantity": 2}]})

    assert (shown.total, shown.currency) == (2400, "usd")
    assert sandbox.client.v1.customers.list().data == []


def test_what_is_about_to_end_has_no_next_invoice(sandbox: Sandbox, buyer: Buyer) -> None:
    sandbox.client.v1.subscriptions.update(buyer.subscription.id, {"cancel_at_period_end": True})

    with pytest.raises(stripe.InvalidRequestError) as refused:
        preview(sandbox, subscription=buyer.subscription.id)

    assert refused.value.code == "invoice_upcoming_none"
