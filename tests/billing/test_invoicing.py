"""Billing now what waits: once, twice, at the same time, refused, and when Stripe does not answer."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from billing import invoicing, janitor
from billing.errors import KeyInFlight, NothingToInvoice, StripeRefused, StripeUnknown
from billing.idempotency import Asking
from billing.invoicing import Wanted
from billing.models import Invoice, Subscription
from events import clock
from tests.api import api
from tests.billing.billed import bill_later
from tests.billing.test_unknown import LATER, break_stripe, mend_stripe
from tests.buyer import Buyer

STEPS = ["^/v1/invoices$", "/add_lines$", "/finalize$"]
DAY = 86400


def generate(buyer: Buyer, key: str | None = "k-1", **wanted: Any) -> Invoice:
    asking = Asking.of("admin:desk", key, wanted)
    return invoicing.generate(Wanted(buyer.customer, **wanted), asking=asking)[0]


def theirs(buyer: Buyer) -> list[dict[str, Any]]:
    """Return the invoices that were not made by a subscription."""
    listed = buyer.stripe.get("invoices", customer=str(buyer.customer.stripe_id), limit=100)["data"]
    return [one for one in listed if one["billing_reason"] == "manual"]


def test_what_waits_for_a_subscription_is_billed_and_collected(buyer: Buyer) -> None:
    """IN-02, JO-01: GenerateInvoice; the card of the subscription pays it without anybody there."""
    subscription = buyer.subscribe()
    bill_later(buyer.customer, 500, subscription)
    bill_later(buyer.customer, 250, subscription)
    other = bill_later(buyer.customer, 999)

    answer = api("desk", "service").post(
        "/api/v1/invoices", {"subscription_id": str(subscription.pk)}, content_type="application/json"
    )

    assert answer.status_code == 201, answer.content
    assert (answer.json()["status"], answer.json()["amount"]) == ("open", 750)
    assert [line["amount"] for line in answer.json()["lines"]] == [500, 250]
    invoice = Invoice.objects.get(pk=answer.json()["id"])
    assert (invoice.subscription, invoice.billing_reason) == (subscription, "manual")
    assert buyer.stripe.get(f"invoiceitems/{other}")["invoice"] is None
    now = buyer.stripe.http.get("/_sandbox/clock", params={"customer": buyer.customer.stripe_id}).json()["now"]
    buyer.stripe.advance(str(buyer.customer.stripe_id), to=now + DAY)
    buyer.stripe.deliver()
    invoice.refresh_from_db()
    assert invoice.status == "paid"


def test_a_period_bills_what_lies_within_it(buyer: Buyer) -> None:
    """IN-02: for a billing period. What is outside waits on."""
    buyer.subscribe()
    start = clock.now().replace(microsecond=0)

    def item(days: int, amount: int) -> None:
        begin = int((start + timedelta(days=days)).timestamp())
        bill_later(buyer.customer, amount, period={"start": begin, "end": begin + DAY})

    item(0, 100)
    item(1, 200)
    item(5, 400)

    first = generate(buyer, period_start=start, period_end=start + timedelta(days=2))
    rest = generate(buyer, "k-2", period_start=start + timedelta(days=2))

    assert [line.amount_minor for line in first.lines.all()] == [100, 200]
    assert (first.period_start, first.period_end) == (start, start + timedelta(days=2))
    assert rest.total_minor == 400
    with pytest.raises(NothingToInvoice):
        generate(buyer, "k-3")


def test_nothing_to_bill_is_said_and_makes_nothing(buyer: Buyer) -> None:
    subscription = buyer.subscribe()

    answers = [
        api("desk", "admin").post("/api/v1/invoices", body, content_type="application/json")
        for body in ({"subscription_id": str(subscription.pk)}, {"user_id": "anna"})
    ]

    assert [(one.status_code, one.json()["code"]) for one in answers] == [(409, "nothing_to_invoice")] * 2
    assert theirs(buyer) == []
    assert Invoice.objects.count() == 1


def test_the_same_key_brings_the_same_invoice(buyer: Buyer) -> None:
    buyer.subscribe()
    bill_later(buyer.customer)
    first = generate(buyer)
    bill_later(buyer.customer)

    assert generate(buyer) == first
    assert len(theirs(buyer)) == 1


def test_asked_by_many_at_once_it_is_billed_once(buyer: Buyer) -> None:
    """Sixteen under one key: one row, one invoice, one line."""
    buyer.subscribe()
    bill_later(buyer.customer)
    gate = threading.Barrier(16)

    def one(_number: int) -> Any:
        gate.wait()
        try:
            return generate(buyer).pk
        except KeyInFlight:
            return None
        finally:
            connection.close()

    with ThreadPoolExecutor(16) as pool:
        made = set(pool.map(one, range(16))) - {None}

    assert len(made) == 1
    assert [one["total"] for one in theirs(buyer)] == [500]


def test_two_keys_at_once_never_bill_the_same_twice(buyer: Buyer) -> None:
    """An item goes onto one invoice: the second to come finds it taken, and its draft is deleted."""
    buyer.subscribe()
    bill_later(buyer.customer)
    gate = threading.Barrier(4)

    def one(number: int) -> Any:
        gate.wait()
        try:
            return generate(buyer, f"k-{number}").status
        except (NothingToInvoice, StripeRefused) as refusal:
            return type(refusal)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(one, range(4)))

    assert answers.count("open") == 1
    assert [one["total"] for one in theirs(buyer)] == [500]
    assert not Invoice.objects.filter(status="draft").exists()


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("fault", ["500", "429", "drop_reply", "drop_before"])
def test_without_an_answer_the_same_key_goes_on_where_it_stood(buyer: Buyer, step: str, fault: str) -> None:
    """503 first, then the one invoice: whether the work was done at Stripe or not."""
    buyer.subscribe()
    bill_later(buyer.customer)
    break_stripe(buyer, step, fault)
    with pytest.raises(StripeUnknown):
        generate(buyer)
    assert Invoice.objects.filter(billing_reason="manual").get().status == "draft"
    mend_stripe(buyer)

    invoice = generate(buyer)

    assert (invoice.status, invoice.total_minor) == ("open", 500)
    assert [one["status"] for one in theirs(buyer)] == ["open"]


@pytest.mark.parametrize("step", STEPS)
def test_the_janitor_ends_what_nobody_asks_for_again(buyer: Buyer, step: str) -> None:
    buyer.subscribe()
    bill_later(buyer.customer)
    break_stripe(buyer, step, "drop_reply")
    with pytest.raises(StripeUnknown):
        generate(buyer)
    mend_stripe(buyer)

    assert janitor.settle_unknown(at=clock.now() + LATER) == 1

    assert Invoice.objects.get(billing_reason="manual").status == "open"
    assert len(theirs(buyer)) == 1


@pytest.mark.parametrize(("fault", "status", "count"), [("drop_reply", "open", 1), ("drop_before", "deleted", 0)])
def test_past_its_time_the_janitor_only_looks(buyer: Buyer, fault: str, status: str, count: int) -> None:
    """Stripe may have forgotten the key: what it has is finished, and what it has not is given up."""
    buyer.subscribe()
    bill_later(buyer.customer)
    break_stripe(buyer, STEPS[0], fault)
    with pytest.raises(StripeUnknown):
        generate(buyer)
    mend_stripe(buyer)
    posts = len(buyer.stripe.requests("POST", "/v1/invoices"))

    janitor.settle_unknown(at=clock.now() + timedelta(hours=25))

    assert Invoice.objects.get(billing_reason="manual").status == status
    assert len(buyer.stripe.requests("POST", "/v1/invoices")) == posts
    assert len(theirs(buyer)) == count


def test_a_refusal_leaves_the_items_waiting(buyer: Buyer) -> None:
    """Refused: what was to be billed has gone in the meantime; the draft goes too, and the next key may try."""
    buyer.subscribe()
    item = bill_later(buyer.customer)
    kept = bill_later(buyer.customer, 700)
    break_stripe(buyer, STEPS[0], "drop_before")
    with pytest.raises(StripeUnknown):
        generate(buyer)
    mend_stripe(buyer)
    buyer.stripe.http.delete(f"/v1/invoiceitems/{item}").raise_for_status()

    with pytest.raises(StripeRefused):
        generate(buyer)

    assert Invoice.objects.get(billing_reason="manual").status == "deleted"
    assert theirs(buyer) == []
    assert buyer.stripe.get(f"invoiceitems/{kept}")["invoice"] is None
    assert generate(buyer, "k-2").total_minor == 700


def test_an_event_that_comes_before_the_answer_finds_the_row(buyer: Buyer) -> None:
    """Stripe tells of the draft while nobody knows its id here: by its metadata it is the row that asked for it."""
    buyer.subscribe()
    bill_later(buyer.customer)
    break_stripe(buyer, STEPS[0], "drop_reply")
    with pytest.raises(StripeUnknown):
        generate(buyer)
    mend_stripe(buyer)

    buyer.stripe.deliver()

    row = Invoice.objects.get(billing_reason="manual")
    assert (row.status, row.stripe_id) == ("draft", theirs(buyer)[0]["id"])
    assert generate(buyer).pk == row.pk
    assert Subscription.objects.count() == 1


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"user_id": "anna", "subscription_id": "01900000-0000-7000-8000-000000000000"},
        {"user_id": "anna", "period_start": "2026-01-01T00:00:00"},
        {"user_id": "anna", "period_start": "2026-02-01T00:00:00Z", "period_end": "2026-01-01T00:00:00Z"},
    ],
)
def test_a_request_that_cannot_be_read_names_the_field(buyer: Buyer, body: dict[str, str]) -> None:
    answer = api("desk", "admin").post("/api/v1/invoices", body, content_type="application/json")

    assert answer.status_code == 400
    assert answer.json()["errors"]
