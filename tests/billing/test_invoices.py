"""Invoices: ours follow Stripe's, with their lines; what waits is billed once; drafts go, what is open is closed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection

from billing import gateway, invoices, persons, sync, webhooks
from billing.at_stripe.invoices import with_all_lines
from billing.models import Invoice, InvoiceLine, Payment, Subscription
from billing.transactions import whole
from events import clock
from events.models import Event
from tests.api import api
from tests.billing.billed import an_open_invoice
from tests.billing.test_subscriptions import HOUR, break_card, pass_time
from tests.billing.test_unknown import break_stripe, mend_stripe
from tests.buyer import Buyer

V1 = "/api/v1"


def test_the_first_invoice_is_ours_with_its_line(buyer: Buyer) -> None:
    """IN-03, IN-04: invoice.paid; amounts, numbers and times as Stripe has them; the period is the one it bills."""
    subscription = buyer.subscribe()

    invoice = Invoice.objects.get()
    theirs = buyer.stripe.get(f"invoices/{invoice.stripe_id}")
    assert (invoice.status, invoice.subscription, invoice.customer) == ("paid", subscription, buyer.customer)
    assert (invoice.total_minor, invoice.amount_paid_minor, invoice.amount_remaining_minor) == (800, 800, 0)
    assert (invoice.number, invoice.billing_reason) == (theirs["number"], "subscription_create")
    assert invoice.hosted_invoice_url == theirs["hosted_invoice_url"]
    assert (invoice.period_start, invoice.period_end) == (
        subscription.current_period_start,
        subscription.current_period_end,
    )
    line = invoice.lines.get()
    assert (line.amount_minor, line.quantity, line.proration, line.tax_minor) == (800, 1, False, 0)
    assert buyer.history("invoice") == ["invoice.created", "invoice.open", "invoice.paid"]
    assert Payment.objects.get(stripe_invoice_id=invoice.stripe_id).status == "succeeded"


def test_the_links_are_sealed_at_rest(buyer: Buyer) -> None:
    """Who has the link of an invoice sees the name and address on it."""
    buyer.subscribe()

    with connection.cursor() as cursor:
        cursor.execute("SELECT hosted_invoice_url, invoice_pdf FROM billing_invoice")
        stored = cursor.fetchone()

    assert all(text and "http" not in text for text in stored)


def test_what_could_name_a_person_is_erased_and_a_later_look_brings_nothing_back(buyer: Buyer) -> None:
    buyer.buy()
    invoice = an_open_invoice(buyer)

    for _ in range(2):
        erased = persons.erase("anna", reason="ticket 7", at=clock.now())
        sync.look(str(invoice.stripe_id))

    invoice.refresh_from_db()
    assert (erased["invoices"], erased["invoice_lines"]) == (1, 1)
    assert (invoice.hosted_invoice_url, invoice.invoice_pdf, invoice.lines.get().description) == ("", "", "")
    assert (invoice.status, invoice.total_minor) == ("open", 700)


def test_a_renewal_is_a_second_invoice(buyer: Buyer) -> None:
    """IN-03, JO-01: made by the month, without anybody asking."""
    subscription = buyer.subscribe()
    end = subscription.current_period_end

    pass_time(buyer, end + 2 * HOUR)

    renewal = Invoice.objects.latest("pk")
    assert (renewal.status, renewal.billing_reason, renewal.period_start) == ("paid", "subscription_cycle", end)
    assert subscription.invoices.count() == 2


@pytest.mark.parametrize("seed", range(4))
def test_events_in_any_order_and_number_make_one_invoice_each(buyer: Buyer, seed: int) -> None:
    """Once, twice, out of order."""
    subscription = buyer.subscribe()

    buyer.stripe.advance(
        str(buyer.customer.stripe_id), to=int((subscription.current_period_end + 2 * HOUR).timestamp())
    )
    buyer.stripe.deliver(times=2, shuffled=seed)

    assert list(Invoice.objects.values_list("status", flat=True)) == ["paid", "paid"]
    assert InvoiceLine.objects.count() == 2
    assert buyer.history("invoice").count("invoice.paid") == 2


def test_a_failed_renewal_is_open_with_its_attempts(buyer: Buyer) -> None:
    """IN-04: invoice.payment_failed."""
    subscription = buyer.subscribe()
    break_card(buyer)

    pass_time(buyer, subscription.current_period_end + 2 * HOUR)

    invoice = Invoice.objects.latest("pk")
    assert (invoice.status, invoice.attempt_count, invoice.amount_remaining_minor) == ("open", 1, 800)
    assert invoice.next_payment_attempt_at
    assert buyer.history("invoice")[-2:] == ["invoice.open", "invoice.payment_failed"]


def test_a_look_that_began_earlier_never_writes_over_a_later_one(buyer: Buyer) -> None:
    buyer.buy()
    invoice = an_open_invoice(buyer)
    before, stale = clock.now(), gateway.fetch(str(invoice.stripe_id))
    buyer.stripe.post(f"invoices/{invoice.stripe_id}/void")
    sync.look(str(invoice.stripe_id))

    assert whole(invoices.settle)(stale, looked_at=before)

    invoice.refresh_from_db()
    assert invoice.status == "void"


def test_a_look_that_missed_what_lay_between_goes_by_its_steps(buyer: Buyer) -> None:
    """A draft that was finalized and given up, and then paid, while nobody listened."""
    buyer.buy()
    customer = str(buyer.customer.stripe_id)
    draft = buyer.stripe.post("invoices", customer=customer)["id"]
    buyer.stripe.post("invoiceitems", customer=customer, amount=700, currency="usd", invoice=draft)
    sync.look(draft)
    buyer.stripe.post(f"invoices/{draft}/finalize")
    buyer.stripe.post(f"invoices/{draft}/mark_uncollectible")
    sync.look(draft)
    invoice = Invoice.objects.get(stripe_id=draft)
    assert invoice.status == "uncollectible"
    buyer.stripe.post(f"invoices/{draft}/pay", paid_out_of_band="true")

    sync.look(draft)

    invoice.refresh_from_db()
    assert (invoice.status, invoice.amount_remaining_minor) == ("paid", 0)
    assert buyer.history("invoice") == [
        "invoice.created",
        "invoice.open",
        "invoice.uncollectible",
        "invoice.paid",
    ]


def test_a_draft_that_changes_is_told_and_one_that_is_deleted_goes(buyer: Buyer) -> None:
    buyer.buy()
    customer = str(buyer.customer.stripe_id)
    draft = buyer.stripe.post("invoices", customer=customer)["id"]
    buyer.stripe.deliver()
    buyer.stripe.post("invoiceitems", customer=customer, amount=700, currency="usd", invoice=draft)
    sync.look(draft)
    assert Invoice.objects.get().total_minor == 700
    buyer.stripe.http.delete(f"/v1/invoices/{draft}").raise_for_status()

    buyer.stripe.deliver(times=2)

    assert Invoice.objects.get().status == "deleted"
    assert buyer.history("invoice") == ["invoice.created", "invoice.updated", "invoice.deleted"]


def test_all_lines_are_kept_however_many(buyer: Buyer) -> None:
    """Ten stand in Stripe's invoice, the rest on its pages; a second look doubles none."""
    buyer.buy()
    invoice = an_open_invoice(buyer, *range(101, 224))

    sync.look(str(invoice.stripe_id))

    assert [line.amount_minor for line in invoice.lines.all()] == list(range(101, 224))
    assert invoice.total_minor == sum(range(101, 224))


def test_tax_is_kept_as_stripe_computed_it(buyer: Buyer) -> None:
    """The lines say which tax, the invoice their sum; nothing is worked out here."""
    buyer.buy()
    found = with_all_lines(gateway.fetch(str(an_open_invoice(buyer).stripe_id)) or {})
    tax = {"amount": 133, "tax_behavior": "exclusive", "taxability_reason": "standard_rated", "taxable_amount": 700}
    tax |= {"tax_rate_details": {"tax_rate": "txr_1"}, "type": "tax_rate_details"}
    lines = [{**line, "taxes": [tax]} for line in found["lines"]["data"]]
    taxed = {**found, "total_taxes": [tax], "total": 833, "lines": {**found["lines"], "data": lines}}

    assert whole(invoices.settle)(taxed, looked_at=clock.now())

    invoice = Invoice.objects.get()
    assert (invoice.subtotal_minor, invoice.tax_minor, invoice.total_minor) == (700, 133, 833)
    assert invoice.taxes == [tax]
    assert (invoice.lines.get().tax_minor, invoice.lines.get().taxes) == (133, [tax])


def test_an_invoice_of_a_foreign_subscription_is_none_of_ours(buyer: Buyer) -> None:
    """The account may serve other software: its invoices are not shown, and make no payments here."""
    buyer.buy()
    customer = str(buyer.customer.stripe_id)
    card = buyer.stripe.post("payment_methods/pm_card_visa/attach", customer=customer)["id"]
    product = buyer.stripe.post("products", name="Other")["id"]
    price = buyer.stripe.post(
        "prices", product=product, unit_amount=900, currency="usd", **{"recurring[interval]": "month"}
    )["id"]

    buyer.stripe.post("subscriptions", customer=customer, default_payment_method=card, **{"items[0][price]": price})
    buyer.stripe.deliver()

    assert not Invoice.objects.exists()
    assert Payment.objects.count() == 1


def test_an_upcoming_invoice_looks_at_its_subscription(buyer: Buyer) -> None:
    """It has no id of its own yet."""
    parent = {"subscription_details": {"subscription": "sub_1"}}

    assert webhooks.looks_at("invoice.upcoming", {"object": "invoice", "parent": parent}) == "sub_1"
    assert webhooks.looks_at("invoice.upcoming", {"object": "invoice", "parent": None}) == ""
    assert webhooks.looks_at("invoice.payment_action_required", {"id": "in_1", "parent": parent}) == "in_1"


def test_the_database_knows_the_moves(buyer: Buyer) -> None:
    buyer.subscribe()

    with pytest.raises(IntegrityError, match="paid cannot become open"):
        Invoice.objects.update(status="open")


def get(path: str, who: str = "anna", role: str = "user", **query: Any) -> Any:
    return api(who, role).get(f"{V1}/{path}", query)


def ids(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [row["id"] for row in answer.json()["data"]]


def test_invoices_are_read_alone_with_their_lines_and_in_lists(buyer: Buyer) -> None:
    """IN-01, IN-02: by id, by user, by subscription."""
    subscription = buyer.subscribe()
    invoice = str(Invoice.objects.get().pk)

    one = get(f"invoices/{invoice}").json()

    assert (one["amount"], one["currency"], one["amount_decimal"], one["status"]) == (800, "USD", "8.00", "paid")
    assert one["hosted_invoice_url"].startswith("http")
    assert [(line["amount"], line["currency"]) for line in one["lines"]] == [(800, "USD")]
    assert ids(get("users/anna/invoices")) == [invoice]
    assert ids(get(f"subscriptions/{subscription.pk}/invoices")) == [invoice]
    assert get(f"invoices/{invoice}", who="ben").status_code == 404
    assert get(f"subscriptions/{subscription.pk}/invoices", who="ben").status_code == 404


def test_support_sees_no_link(buyer: Buyer) -> None:
    buyer.subscribe()

    (row,) = get("invoices", "sue", "support").json()["data"]

    assert (row["hosted_invoice_url"], row["invoice_pdf"]) == ("***", "***")
    assert row["stripe_id"].startswith("in_***")


def test_the_list_has_filters_and_a_total(buyer: Buyer) -> None:
    """IN-02: ListInvoices with filters."""
    subscription = buyer.subscribe()
    end = subscription.current_period_end
    pass_time(buyer, end + 2 * HOUR)
    manual = an_open_invoice(buyer)
    second, first = (str(one.pk) for one in subscription.invoices.order_by("-pk"))
    mine = str(manual.pk)

    def listed(**query: Any) -> list[str]:
        return ids(get("invoices", "desk", "admin", **query))

    assert listed() == [mine, second, first]
    assert listed(status="open") == [mine]
    assert listed(subscription_id=str(subscription.pk)) == [second, first]
    assert listed(user_id="ben") == []
    assert listed(user_id="anna", period_start=iso(end), status="paid") == [second]
    assert listed(period_end=iso(end), status="paid") == [first]
    assert listed(created_from=iso(manual.created_at)) == [mine]
    assert listed(created_before=iso(manual.created_at)) == [second, first]
    assert get("invoices", "desk", "admin", offset=1, limit=1).json()["total"] == 3
    assert get("invoices", "desk", "admin", period_start=iso(end), period_end=iso(end)).status_code == 400


def iso(at: datetime) -> str:
    return at.isoformat()


def close(invoice: Invoice, how: str, role: str = "admin") -> Any:
    return api("desk", role).post(f"{V1}/invoices/{invoice.pk}/{how}", content_type="application/json")


@pytest.mark.parametrize(("how", "status"), [("void", "void"), ("uncollectible", "uncollectible")])
def test_an_admin_closes_an_open_invoice(buyer: Buyer, how: str, status: str) -> None:
    """Once and twice; what it asks for at Stripe is done once."""
    buyer.buy()
    invoice = an_open_invoice(buyer)

    answers = [close(invoice, how) for _ in range(2)]

    assert [(one.status_code, one.json()["status"]) for one in answers] == [(200, status)] * 2
    assert buyer.stripe.get(f"invoices/{invoice.stripe_id}")["status"] == status
    assert buyer.history("invoice").count(f"invoice.{status}") == 1
    assert Event.objects.get(type=f"invoice.{status}").actor == "admin:desk"


@pytest.mark.parametrize("fault", ["500", "drop_reply", "drop_before"])
def test_a_closing_without_an_answer_is_asked_for_again(buyer: Buyer, fault: str) -> None:
    """503, then the truth, whether Stripe had done it or not."""
    buyer.buy()
    invoice = an_open_invoice(buyer)
    break_stripe(buyer, "/void$", fault)
    assert close(invoice, "void").status_code == 503
    mend_stripe(buyer)

    answer = close(invoice, "void")

    assert (answer.status_code, answer.json()["status"]) == (200, "void")
    assert buyer.history("invoice").count("invoice.void") == 1


def test_what_is_paid_cannot_be_voided(buyer: Buyer) -> None:
    buyer.subscribe()

    answer = close(Invoice.objects.get(), "void")

    assert (answer.status_code, answer.json()["code"]) == (409, "invoice_not_open")
    assert Invoice.objects.get().status == "paid"


def test_nothing_of_an_invoice_is_lost_when_its_subscription_ends(buyer: Buyer) -> None:
    """SU-08 and IN-03: it stays paid, and is still found by its subscription."""
    subscription = buyer.subscribe()
    break_card(buyer)

    pass_time(buyer, subscription.current_period_end + timedelta(days=40))

    assert Subscription.objects.get().status == "canceled"
    assert sorted(subscription.invoices.values_list("status", flat=True))[-1] == "paid"
