"""Our books against Stripe's: nothing, when all is well; by class, when it is not."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from billing import findings, leases, payments, reconcile, tasks
from billing.at_stripe.lists import Window
from billing.errors import LeaseLost
from billing.models import Checkout, Customer, Dispute, Finding, Invoice, Lease, Payment, Refund
from billing.transactions import whole
from config.celery import app
from entitlements.models import Entitlement
from events import clock
from events.models import Event
from tests.billing.billed import an_open_invoice
from tests.buyer import Buyer
from tests.stripe_side import DECLINED_CARD


def hour() -> Window:
    return Window(clock.now() - timedelta(hours=1))


def differences() -> set[tuple[str, str]]:
    report = reconcile.compare(hour())
    return {(difference.kind, difference.object.split(":")[0][:3]) for difference in report.differences}


def settle() -> reconcile.Report:
    return reconcile.run(hour())


def test_books_that_agree_have_no_differences(buyer: Buyer) -> None:
    """Payments, subscriptions, refunds, pages, invoices and disputes of the window, all compared."""
    buyer.buy()
    buyer.subscribe()
    buyer.stripe.post("refunds", payment_intent=str(Payment.objects.earliest("id").stripe_id))
    buyer.stripe.control("disputes", charge=Payment.objects.latest("id").stripe_charge_id)
    buyer.stripe.deliver()

    report = reconcile.compare(hour())

    assert report.differences == []
    first = {"payment_intents": 2, "subscriptions": 1, "refunds": 1, "checkouts": 2}
    assert report.compared == {**first, "invoices": 1, "disputes": 1, "grants": 1}


def test_an_event_that_never_came_is_found_and_healed(buyer: Buyer) -> None:
    """State heals by itself: we look again."""
    checkout = buyer.order()
    buyer.stripe.pay(str(checkout.stripe_id))
    assert differences() == {("missing_here", "pi_"), ("status", "cs_")}

    settle()

    assert buyer.may().allowed
    assert differences() == set()
    assert not Finding.objects.exists()


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ({"cancel_at_period_end": "true"}, "status"),
        ({"pause_collection[behavior]": "void"}, "status"),
        ({"items[0][quantity]": 3, "proration_behavior": "none"}, "amount"),
    ],
)
def test_what_a_running_subscription_is_told_is_compared(buyer: Buyer, said: dict[str, str | int], kind: str) -> None:
    """Its end, its pause and what it bills, not its status alone."""
    subscription = buyer.subscribe()
    if "items[0][quantity]" in said:
        said = {**said, "items[0][id]": subscription.items.get().stripe_id}

    buyer.stripe.post(f"subscriptions/{subscription.stripe_id}", **said)

    assert differences() == {(kind, "sub")}
    settle()
    assert differences() == set()
    assert not Finding.objects.exists()


def test_a_success_that_never_came_after_a_decline_is_healed_without_a_finding(buyer: Buyer) -> None:
    """What we did not see yet is no difference in money."""
    checkout = buyer.buy(card=DECLINED_CARD)
    buyer.stripe.pay(str(checkout.stripe_id))

    settle()

    assert buyer.payment.status == "succeeded"
    assert not Finding.objects.exists()


def test_money_for_a_payment_that_was_given_up_is_a_finding(buyer: Buyer) -> None:
    """Paid at Stripe, canceled here for good: no look can heal it, so a person must."""
    checkout = buyer.order()
    whole(payments.cancel)(buyer.payment, at=clock.now())
    buyer.stripe.pay(str(checkout.stripe_id))
    buyer.stripe.deliver()

    settle()

    assert Finding.objects.get().kind == "status"


def test_a_refund_that_never_came_is_found_and_healed(buyer: Buyer) -> None:
    """Made in the dashboard, its event lost."""
    buyer.buy()
    buyer.stripe.post("refunds", payment_intent=str(buyer.payment.stripe_id))
    assert differences() == {("missing_here", "re_")}

    settle()

    assert Refund.objects.exists()
    assert differences() == set()


def test_an_invoice_whose_events_never_came_is_found_and_healed(buyer: Buyer) -> None:
    """A renewal that Stripe billed and nobody here heard of: its invoice, and then that it was written off."""
    buyer.subscribe()
    owed = an_open_invoice(buyer)
    buyer.stripe.post(f"invoices/{owed.stripe_id}/mark_uncollectible")
    buyer.stripe.post("invoices", customer=str(buyer.customer.stripe_id), currency="usd")
    assert differences() == {("missing_here", "in_"), ("status", "in_")}

    report = reconcile.run(hour(), kinds=["invoices"])

    owed.refresh_from_db()
    assert (len(report.differences), report.left, owed.status) == (2, [], "uncollectible")
    assert differences() == set()
    assert not Finding.objects.exists()


def test_an_invoice_of_other_numbers_takes_those_of_stripe(buyer: Buyer) -> None:
    """Our row is a copy of what Stripe asks for: amount and what is paid of it follow a look, once or twice."""
    buyer.subscribe()
    Invoice.objects.update(total_minor=1, amount_paid_minor=2)
    found = [one.kind for one in reconcile.compare(hour(), kinds=["invoices"]).differences]
    assert found == ["amount", "amount"]

    assert [reconcile.run(hour(), kinds=["invoices"]).left for _ in range(2)] == [[], []]

    row = Invoice.objects.get()
    assert row.total_minor == row.amount_paid_minor == buyer.payment.amount_minor


def test_an_invoice_that_stripe_does_not_know_is_a_finding_but_a_draft(buyer: Buyer) -> None:
    """Only a draft can be deleted there: its row is closed. Any other one waits for a person."""
    buyer.subscribe()
    draft = buyer.stripe.post("invoices", customer=str(buyer.customer.stripe_id), currency="usd")["id"]
    buyer.stripe.deliver()
    buyer.stripe.http.delete(f"/v1/invoices/{draft}").raise_for_status()
    billed = Invoice.objects.get(status="paid")
    real, billed.stripe_id = billed.stripe_id, "in_gone"
    billed.save(update_fields=["stripe_id"])

    report = reconcile.run(hour(), kinds=["invoices"])

    assert {(one.kind, one.object) for one in report.left} == {("missing_there", "in_gone")}
    assert Finding.objects.get().object == "in_gone"
    assert set(Invoice.objects.values_list("stripe_id", "status")) == {
        (draft, "deleted"),
        ("in_gone", "paid"),
        (real, "paid"),
    }


def test_an_invoice_of_a_subscription_that_is_not_ours_is_no_difference(buyer: Buyer) -> None:
    """The same customer may buy of other software on the account: what that bills is none of ours."""
    buyer.buy()
    customer = str(buyer.customer.stripe_id)
    buyer.stripe.post("payment_methods/pm_card_visa/attach", customer=customer)
    price = buyer.stripe.post(
        "prices", currency="usd", unit_amount=100, **{"recurring[interval]": "month", "product_data[name]": "Other"}
    )["id"]
    method = buyer.stripe.get("payment_methods", customer=customer)["data"][0]["id"]
    buyer.stripe.post("subscriptions", customer=customer, default_payment_method=method, **{"items[0][price]": price})

    assert reconcile.compare(hour(), kinds=["invoices"]).differences == []


def test_a_dispute_whose_events_never_came_is_found_and_healed(buyer: Buyer) -> None:
    """It is looked at through the payment that it takes from; once here, its end is found as well."""
    buyer.buy()
    made = buyer.stripe.control("disputes", charge=buyer.payment.stripe_charge_id)
    assert differences() == {("missing_here", "du_")}
    settle()
    buyer.stripe.control(f"disputes/{made['id']}/close", won=False)
    assert differences() == {("status", "du_")}

    settle()

    assert (Dispute.objects.get().status, buyer.payment.lost_minor) == ("lost", 1200)
    assert buyer.may().reason_code == "revoked"
    assert differences() == set()
    assert not Finding.objects.exists()


@pytest.mark.parametrize("again", [1, 2])
def test_a_dispute_that_no_look_can_heal_is_a_finding(buyer: Buyer, again: int) -> None:
    """Decided here, open there: our table of moves knows no way back, so a person must look. Opened once."""
    buyer.buy()
    made = buyer.stripe.control("disputes", charge=buyer.payment.stripe_charge_id)
    buyer.stripe.deliver()
    Dispute.objects.get().move_to(Dispute.Status.LOST, at=clock.now())
    Payment.objects.update(lost_minor=1200)

    for _ in range(again):
        settle()

    assert (Finding.objects.get().kind, Finding.objects.get().object) == ("status", made["id"])


def test_a_dispute_that_stripe_does_not_know_is_missing_there(buyer: Buyer) -> None:
    """Also one of an older account, whose disputes begin with `dp_`."""
    buyer.buy()
    buyer.stripe.control("disputes", charge=buyer.payment.stripe_charge_id)
    buyer.stripe.deliver()
    Dispute.objects.update(stripe_id="dp_gone")

    report = reconcile.run(hour(), kinds=["disputes"])

    assert {(one.kind, one.object) for one in report.left} == {("missing_there", "dp_gone")}
    assert Dispute.objects.count() == 2


def test_a_guest_of_other_software_is_no_difference(buyer: Buyer) -> None:
    """An intent without a customer belongs to none of ours, not to one whom Stripe does not know yet."""
    Customer.objects.create(user_id="ben")

    buyer.stripe.post(
        "payment_intents",
        amount=500,
        currency="usd",
        confirm="true",
        payment_method="pm_card_visa",
        **{"automatic_payment_methods[enabled]": "true", "automatic_payment_methods[allow_redirects]": "never"},
    )

    assert differences() == set()


@pytest.mark.broken_books
def test_a_difference_in_money_only_opens_a_finding(buyer: Buyer) -> None:
    """Money is for people: our row is not changed, and the finding is opened once."""
    buyer.buy()
    Payment.objects.update(amount_minor=1300)

    for _ in range(2):
        settle()

    assert Finding.objects.get().kind == "amount"
    assert buyer.payment.amount_minor == 1300


def test_money_that_stripe_does_not_know_is_missing_there(buyer: Buyer) -> None:
    """A paid row without an intent there."""
    buyer.buy()
    Payment.objects.update(stripe_id="pi_gone")

    assert ("missing_there", "pi_") in differences()


@pytest.mark.broken_books
def test_the_command_says_and_exits_by_what_it_found(buyer: Buyer, capsys: pytest.CaptureFixture[str]) -> None:
    """0 differences: a line and exit code 0; else a table and 1. --dry-run opens nothing."""
    buyer.buy()
    call_command("reconcile_stripe", "--since", "1h")
    shown = capsys.readouterr().out
    assert "compared 1 payment intents, 0 subscriptions, 0 refunds, 1 checkouts, 0 invoices, 0 disputes, " in shown
    assert "1 grants: 0 differences" in shown

    Payment.objects.update(amount_minor=1300)
    with pytest.raises(CommandError, match="1 differences"):
        call_command("reconcile_stripe", "--since", "1h", "--dry-run")

    assert not Finding.objects.exists()


def test_what_healed_is_shown_and_no_failure(buyer: Buyer, capsys: pytest.CaptureFixture[str]) -> None:
    """A run that mends all it finds ends with 0."""
    buyer.stripe.pay(str(buyer.order().stripe_id))

    call_command("reconcile_stripe", "--since", "1h")

    assert "2 differences, 2 healed" in capsys.readouterr().out
    assert buyer.may().allowed


def test_a_window_and_a_kind_bound_what_is_compared(buyer: Buyer, capsys: pytest.CaptureFixture[str]) -> None:
    """--until and --kind."""
    buyer.stripe.pay(str(buyer.order().stripe_id))

    call_command("reconcile_stripe", "--since", "2h", "--until", "1h", "--dry-run")
    call_command("reconcile_stripe", "--kind", "refunds", "--kind", "grants", "--dry-run")

    shown = capsys.readouterr().out
    assert (
        "0 payment intents, 0 subscriptions, 0 refunds, 0 checkouts, 0 invoices, 0 disputes, 0 grants: 0 differences"
        in shown
    )
    assert "compared 0 refunds, 0 grants: 0 differences" in shown


def test_a_completed_page_whose_event_was_lost_is_found_and_healed(buyer: Buyer) -> None:
    """Checkouts are compared too."""
    checkout = buyer.order()
    buyer.stripe.pay(str(checkout.stripe_id))

    report = reconcile.run(hour(), kinds=["checkouts"])

    assert [difference.kind for difference in report.differences] == ["status"]
    assert report.left == []
    checkout.refresh_from_db()
    assert checkout.status == "complete"


def test_a_page_that_stripe_does_not_know_is_a_finding(buyer: Buyer) -> None:
    """And so is one of ours that our books lost."""
    buyer.buy()
    Checkout.objects.update(stripe_id="cs_gone")

    settle()

    kinds = dict(Finding.objects.values_list("kind", "object"))
    assert kinds["missing_there"] == "cs_gone"
    assert kinds["missing_here"].startswith("cs_")


@pytest.mark.broken_books
def test_another_currency_is_a_finding(buyer: Buyer) -> None:
    """Never compared as if it were the same money."""
    buyer.buy()
    Payment.objects.update(currency="eur")

    settle()

    assert Finding.objects.get().kind == "currency"


def test_a_grant_without_cause_is_healed_by_giving_anew_what_is_due(buyer: Buyer) -> None:
    """Access that outlived its subscription: the books say canceled, Stripe says canceled, the grant runs."""
    subscription = buyer.subscribe()
    buyer.stripe.http.delete(f"/v1/subscriptions/{subscription.stripe_id}").raise_for_status()
    buyer.stripe.deliver()
    Entitlement.objects.update(status="active", ends_at=clock.now() + timedelta(days=9))
    assert buyer.may().allowed
    assert ("grant_without_cause", "gra") in differences()

    report = settle()

    assert not buyer.may().allowed
    assert report.left == []
    assert not Finding.objects.exists()


@pytest.mark.broken_books
def test_a_grant_that_nobody_paid_is_a_finding(buyer: Buyer) -> None:
    """No look can heal it: a person must. It is opened once."""
    buyer.buy()
    Entitlement.objects.update(source_id="01980000-0000-7000-8000-000000000000")

    for _ in range(2):
        settle()

    assert Finding.objects.get().kind == "grant_without_cause"
    assert Finding.objects.get().object == "grant:one_time:01980000-0000-7000-8000-000000000000"


def test_a_finding_that_holds_no_more_is_closed(buyer: Buyer) -> None:
    """By the next run, whatever its window; history tells both."""
    buyer.buy()
    Payment.objects.update(amount_minor=1300)
    settle()
    finding = Finding.objects.get()
    Payment.objects.update(amount_minor=buyer.payment.captured_minor)

    report = reconcile.run(Window(clock.now() + timedelta(hours=1)))

    finding.refresh_from_db()
    assert finding.closed_at
    assert report.closed == 1
    told = Event.objects.filter(subject=f"finding:{finding.pk}").order_by("sequence")
    assert [event.type for event in told] == ["finding.opened", "finding.closed"]


@pytest.mark.broken_books
def test_a_finding_of_another_kind_or_of_a_person_is_left_alone(buyer: Buyer) -> None:
    """A run closes what it compared, and nothing that only a person can judge."""
    buyer.buy()
    Payment.objects.update(amount_minor=1300)
    settle()
    findings.open(Finding.Kind.STATUS, "refund:1", ours="succeeded", theirs="failed")
    Payment.objects.update(amount_minor=buyer.payment.captured_minor)

    assert reconcile.run(hour(), kinds=["refunds", "grants"]).closed == 0
    assert reconcile.run(hour()).closed == 1
    assert Finding.objects.get(closed_at=None).object == "refund:1"


@pytest.mark.broken_books
def test_two_runs_at_the_same_time_do_not_double(buyer: Buyer) -> None:
    """The second one leaves; what the first one opens is there once. A dry run hinders nobody."""
    buyer.buy()
    Payment.objects.update(amount_minor=1300)
    held = leases.take(reconcile.LEASE)
    assert held

    with pytest.raises(CommandError, match="Another run") as refusal:
        call_command("reconcile_stripe")
    assert refusal.value.returncode == 3
    assert ("amount", "pi_") in differences()
    assert not Finding.objects.exists()

    leases.release(held)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: one_run(), range(4)))
    assert Finding.objects.count() == 1


def one_run() -> None:
    try:
        tasks.compare_books()
    finally:
        connection.close()


def test_a_lease_is_held_on_and_lost_to_whoever_took_it(books: None) -> None:
    """A run that stood still for too long writes nothing after another one began."""
    held = leases.take(reconcile.LEASE)
    assert held
    leases.renew(held)
    assert leases.take(reconcile.LEASE) is None

    Lease.objects.update(held_until=clock.now())
    assert leases.take(reconcile.LEASE)
    with pytest.raises(LeaseLost):
        leases.renew(held)


def test_more_than_ten_refunds_of_one_payment_are_all_counted(buyer: Buyer) -> None:
    """Stripe shows the newest ten of a charge; the rest are asked for."""
    buyer.buy()
    for _ in range(13):
        buyer.stripe.post("refunds", payment_intent=str(buyer.payment.stripe_id), amount="10")

    buyer.stripe.deliver()

    assert Refund.objects.count() == 13
    assert buyer.payment.refunded_minor == 130
    assert differences() == set()


def test_an_unknown_answer_ends_the_run_and_opens_nothing(buyer: Buyer) -> None:
    """Stripe away: nothing is known, so nothing differs. The lease is free again."""
    buyer.buy()
    buyer.stripe.control("faults", path="^/v1/payment_intents$", method="GET", fault="500", times=9)

    with pytest.raises(CommandError) as refusal:
        call_command("reconcile_stripe")

    assert refusal.value.returncode == 3
    assert not Finding.objects.exists()
    assert leases.take(reconcile.LEASE)


def test_beat_compares_the_day_each_hour_and_the_month_each_night() -> None:
    """One task, two windows."""
    jobs = [job for job in app.conf.beat_schedule.values() if job["task"] == "billing.reconcile"]

    windows = {job.get("kwargs", {}).get("days", 1): len(job["schedule"].hour) for job in jobs}
    assert windows == {1: 24, 35: 1}
