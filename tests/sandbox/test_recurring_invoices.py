"""Invoices that people make, pay, void and give up, and which payment belongs to which."""

from typing import Any

import pytest
import stripe

from tests.sandbox.conftest import Sandbox
from tests.sandbox.recurring import (
    BAD_CARD,
    DAY,
    GOOD_CARD,
    a_customer,
    a_price,
    again,
    give_card,
    happened,
    invoices_of,
    subscribed,
)


def a_draft(sandbox: Sandbox, customer: str, amount: int = 700, **more: Any) -> Any:
    """Make a draft with one line."""
    wanted: Any = {"customer": customer, **more}
    draft = sandbox.client.v1.invoices.create(wanted)
    sandbox.client.v1.invoice_items.create(
        {"customer": customer, "amount": amount, "currency": "usd", "invoice": draft.id, "description": "Setup"}
    )
    return sandbox.client.v1.invoices.retrieve(draft.id)


def test_a_draft_is_finalized_numbered_and_paid(sandbox: Sandbox) -> None:
    customer = a_customer(sandbox, invoice_prefix="ABC")
    draft = a_draft(sandbox, customer)
    sandbox.deliver()

    opened = sandbox.client.v1.invoices.finalize_invoice(draft.id)
    paid = sandbox.client.v1.invoices.pay(draft.id)

    assert (draft.status, draft.total, draft.number, draft.auto_advance) == ("draft", 700, None, False)
    assert (opened.status, opened.number, opened.amount_remaining) == ("open", "ABC-0001", 700)
    assert opened.hosted_invoice_url == f"{sandbox.url}/invoice/{draft.id}"
    assert (paid.status, paid.amount_paid, paid.attempt_count) == ("paid", 700, 1)
    assert happened(sandbox, "invoice.") == [
        "invoice.finalized",
        "invoice.updated",
        "invoice.paid",
        "invoice.payment_succeeded",
    ]


def test_a_refused_card_is_told_to_the_caller_and_the_invoice_stays_open(sandbox: Sandbox) -> None:
    customer = a_customer(sandbox, card=BAD_CARD)
    draft = a_draft(sandbox, customer)

    with pytest.raises(stripe.CardError) as refused:
        sandbox.client.v1.invoices.pay(draft.id)

    invoice = sandbox.client.v1.invoices.retrieve(draft.id, {"expand": ["payments.data.payment.payment_intent"]})
    assert refused.value.code == "card_declined"
    assert (invoice.status, invoice.attempt_count, invoice.attempted) == ("open", 1, True)
    assert invoice.payments.data[0].payment.payment_intent.last_payment_error.code == "card_declined"


def test_a_draft_that_advances_by_itself_is_paid_after_an_hour(sandbox: Sandbox) -> None:
    draft = a_draft(sandbox, a_customer(sandbox), auto_advance=True)

    sandbox.advance(seconds=3601)

    assert draft.automatically_finalizes_at is not None
    assert sandbox.client.v1.invoices.retrieve(draft.id).status == "paid"


def test_the_payment_of_an_invoice_is_found_from_both_sides(sandbox: Sandbox) -> None:
    subscription = subscribed(sandbox, a_customer(sandbox), a_price(sandbox))
    payments = sandbox.client.v1.invoice_payments

    of_invoice = payments.list({"invoice": subscription.latest_invoice}).data[0]
    intent = str(of_invoice.payment.payment_intent)
    of_intent = payments.list({"payment": {"type": "payment_intent", "payment_intent": intent}}).data[0]

    assert of_invoice.id == of_intent.id == payments.retrieve(of_invoice.id).id
    assert (of_invoice.status, of_invoice.amount_paid, of_invoice.invoice) == (
        "paid",
        1999,
        subscription.latest_invoice,
    )


def test_a_void_invoice_cancels_its_payment(sandbox: Sandbox) -> None:
    draft = a_draft(sandbox, a_customer(sandbox))
    sandbox.client.v1.invoices.finalize_invoice(draft.id)

    sandbox.client.v1.invoices.void_invoice(draft.id)

    found = sandbox.client.v1.invoices.retrieve(draft.id, {"expand": ["payments.data.payment.payment_intent"]})
    payment = found.payments.data[0]
    assert (found.status, payment.status, payment.payment.payment_intent.status) == ("void", "canceled", "canceled")
    with pytest.raises(stripe.InvalidRequestError):
        sandbox.client.v1.invoices.pay(draft.id)


def test_an_uncollectible_invoice_may_still_be_paid(sandbox: Sandbox) -> None:
    customer = a_customer(sandbox, card=BAD_CARD)
    draft = a_draft(sandbox, customer)
    sandbox.client.v1.invoices.finalize_invoice(draft.id)
    given_up = sandbox.client.v1.invoices.mark_uncollectible(draft.id)
    give_card(sandbox, customer, GOOD_CARD)

    paid = sandbox.client.v1.invoices.pay(draft.id)

    assert (given_up.status, paid.status) == ("uncollectible", "paid")


def test_money_that_came_elsewhere_settles_an_invoice(sandbox: Sandbox) -> None:
    draft = a_draft(sandbox, a_customer(sandbox, card=None))

    paid = sandbox.client.v1.invoices.pay(draft.id, {"paid_out_of_band": True, "expand": ["payments"]})

    assert (paid.status, paid.amount_paid_off_stripe, paid.payments.data[0].status) == ("paid", 700, "canceled")


def test_paying_twice_is_refused(sandbox: Sandbox) -> None:
    draft = a_draft(sandbox, a_customer(sandbox))
    sandbox.client.v1.invoices.pay(draft.id)

    with pytest.raises(stripe.InvalidRequestError) as refused:
        sandbox.client.v1.invoices.pay(draft.id)

    assert refused.value.code == "invoice_already_paid"


def test_a_draft_can_be_deleted_and_its_items_wait_again(sandbox: Sandbox) -> None:
    customer = a_customer(sandbox)
    draft = a_draft(sandbox, customer)

    gone = sandbox.client.v1.invoices.delete(draft.id)

    waiting = sandbox.client.v1.invoice_items.list({"customer": customer, "pending": True}).data
    assert gone.deleted is True
    assert [item.amount for item in waiting] == [700]
    with pytest.raises(stripe.InvalidRequestError, match="No such invoice"):
        sandbox.client.v1.invoices.retrieve(draft.id)


def test_a_waiting_item_is_changed_deleted_and_included(sandbox: Sandbox) -> None:
    customer, items = a_customer(sandbox), sandbox.client.v1.invoice_items
    kept = items.create({"customer": customer, "unit_amount_decimal": "2.5", "quantity": 3, "currency": "usd"})
    gone = items.create({"customer": customer, "amount": 1, "currency": "usd"})

    items.update(kept.id, {"quantity": 200, "description": "Seats"})
    items.delete(gone.id)
    invoice = sandbox.client.v1.invoices.create({"customer": customer, "pending_invoice_items_behavior": "include"})

    assert kept.amount == 8
    assert [(line.amount, line.description) for line in invoice.lines.data] == [(500, "Seats")]
    assert items.retrieve(kept.id).invoice == invoice.id
    with pytest.raises(stripe.InvalidRequestError):
        items.delete(kept.id)


def test_a_final_invoice_keeps_its_words(sandbox: Sandbox) -> None:
    draft = a_draft(sandbox, a_customer(sandbox))
    described = sandbox.client.v1.invoices.update(draft.id, {"description": "Thank you", "metadata": {"po": "77"}})
    sandbox.client.v1.invoices.finalize_invoice(draft.id)

    noted = sandbox.client.v1.invoices.update(draft.id, {"metadata": {"po": ""}})

    assert (described.description, noted.metadata.to_dict()) == ("Thank you", {})
    with pytest.raises(stripe.InvalidRequestError) as refused:
        sandbox.client.v1.invoices.update(draft.id, {"description": "Other"})
    assert refused.value.code == "invoice_not_editable"


def test_a_sum_too_small_to_charge_waits_on_the_balance(sandbox: Sandbox) -> None:
    customer = a_customer(sandbox)

    small = sandbox.client.v1.invoices.finalize_invoice(a_draft(sandbox, customer, 30).id)
    big = sandbox.client.v1.invoices.pay(a_draft(sandbox, customer, 500).id)

    assert (small.status, small.amount_due, small.ending_balance) == ("paid", 0, 30)
    assert (big.amount_paid, big.starting_balance, big.ending_balance) == (530, 30, 0)


def test_an_invoice_to_send_has_a_due_date(sandbox: Sandbox) -> None:
    customer = a_customer(sandbox, card=None)
    with pytest.raises(stripe.InvalidRequestError):
        a_draft(sandbox, customer, collection_method="send_invoice")
    draft = a_draft(sandbox, customer, collection_method="send_invoice", days_until_due=30)

    sent = sandbox.client.v1.invoices.send_invoice(draft.id)

    assert (sent.status, sent.due_date - sent.created) == ("open", 30 * DAY)
    assert sandbox.deliver()[-1] == "invoice.sent"


def test_lines_and_invoices_are_listed_page_by_page(sandbox: Sandbox) -> None:
    customer = a_customer(sandbox)
    draft = a_draft(sandbox, customer)
    for number in range(11):
        sandbox.client.v1.invoice_items.create(
            {"customer": customer, "amount": number + 1, "currency": "usd", "invoice": draft.id}
        )

    page = sandbox.client.v1.invoices.line_items.list(draft.id, {"limit": 5})
    whole = sandbox.client.v1.invoices.retrieve(draft.id)

    assert [line.amount for line in page.auto_paging_iter()] == [700, *range(1, 12)]
    assert (len(whole.lines.data), whole.lines.has_more, whole.total) == (10, True, 766)


def test_invoices_are_found_by_subscription_and_status(sandbox: Sandbox) -> None:
    customer = a_customer(sandbox)
    subscription = subscribed(sandbox, customer, a_price(sandbox))
    draft = a_draft(sandbox, customer)

    drafts = sandbox.client.v1.invoices.list({"customer": customer, "status": "draft"}).data

    assert [invoice.id for invoice in drafts] == [draft.id]
    assert [invoice.id for invoice in invoices_of(sandbox, subscription)] == [subscription.latest_invoice]


def test_a_sent_invoice_that_is_not_paid_by_its_day_makes_past_due(sandbox: Sandbox) -> None:
    customer = a_customer(sandbox, card=None)
    subscription = subscribed(sandbox, customer, a_price(sandbox), collection_method="send_invoice", days_until_due=7)

    sandbox.advance(days=6)
    before = again(sandbox, subscription).status
    sandbox.advance(days=2)

    assert (before, again(sandbox, subscription).status) == ("active", "past_due")
    assert sandbox.deliver().count("invoice.overdue") == 1


def test_who_owes_is_marked_until_the_invoice_is_paid(sandbox: Sandbox) -> None:
    customer = a_customer(sandbox, card=BAD_CARD)
    subscription = subscribed(sandbox, customer, a_price(sandbox))
    owing = sandbox.client.v1.customers.retrieve(customer).delinquent
    give_card(sandbox, customer, GOOD_CARD)

    sandbox.client.v1.invoices.pay(subscription.latest_invoice)

    assert (owing, sandbox.client.v1.customers.retrieve(customer).delinquent) == (True, False)


def test_waiting_items_are_put_on_a_draft_by_their_ids(sandbox: Sandbox) -> None:
    """docs.stripe.com/api/invoices/add_lines: those that are named, each once, all or none."""
    customer = a_customer(sandbox)
    items = [
        sandbox.client.v1.invoice_items.create({"customer": customer, "amount": amount, "currency": "usd"}).id
        for amount in (100, 200, 400)
    ]
    draft = sandbox.client.v1.invoices.create({"customer": customer, "currency": "usd"})

    filled = sandbox.client.v1.invoices.add_lines(
        draft.id, {"lines": [{"invoice_item": items[0]}, {"invoice_item": items[2]}]}
    )

    assert [line.amount for line in filled.lines.data] == [100, 400]
    assert filled.total == 500
    other = sandbox.client.v1.invoices.create({"customer": customer, "currency": "usd"})
    with pytest.raises(stripe.InvalidRequestError, match="already attached"):
        sandbox.client.v1.invoices.add_lines(
            other.id, {"lines": [{"invoice_item": items[1]}, {"invoice_item": items[0]}]}
        )
    assert not sandbox.client.v1.invoices.retrieve(other.id).lines.data
    sandbox.client.v1.invoices.finalize_invoice(draft.id)
    with pytest.raises(stripe.InvalidRequestError, match="it is open"):
        sandbox.client.v1.invoices.add_lines(draft.id, {"lines": [{"invoice_item": items[1]}]})
