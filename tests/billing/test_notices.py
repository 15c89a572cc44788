"""What customers are told: once for each occasion, in history always, by e-mail where there is a server for it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from billing import changing, janitor, notices, persons, refunds, repricing, subscriptions, sync, tasks
from billing.idempotency import Asking
from billing.models import Invoice, Notice, Refund, Subscription, ZoneCheck
from billing.notices import NEWS_FOR, Card
from billing.targets import Target
from events import clock, mail
from events.models import Event, Mail
from pricing import plans
from pricing.models import Plan
from pricing.money import Money
from tests.billing.test_subscriptions import HOUR, break_card, pass_time
from tests.books import empty, forget_plan
from tests.buyer import Buyer
from tests.events.mailbox import Mailbox

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)


def known_for_long() -> None:
    """Let our rows of subscriptions be older than the invoice that follows."""
    Subscription.objects.update(created_at=clock.now() - DAY)


def told(buyer: Buyer) -> list[str]:
    """Return the notices in a buyer's history, in order."""
    return [type.removeprefix("notice.") for type in buyer.history() if type.startswith("notice.")]


def said(kind: str) -> dict[str, Any]:
    return dict(Event.objects.filter(type=f"notice.{kind}").latest("sequence").data)


@pytest.fixture
def yearly(books: None) -> Iterator[str]:
    """A plan by the year, after fourteen days of trial."""
    with transaction.atomic():
        plan = plans.add("yearly-with-trial", name="Yearly", at=clock.now())
        terms = plans.terms_of(Plan.objects.get(pk="pro-monthly").current)
        terms = replace(terms, trial_days=14, billing_cycle="yearly", amount_minor=30000)
        plans.publish(plans.draft(plan, terms, at=clock.now()), at=clock.now())
    yield plan.pk
    empty()
    forget_plan(plan.pk)


def test_a_trial_is_told_of_three_days_before_it_ends(buyer: Buyer, yearly: str) -> None:
    """SU-11, requirements 1.17b: once, however often the job runs; with what it will cost."""
    subscription = buyer.subscribe(yearly)
    assert subscription.trial_end
    early = subscription.trial_end - 3 * DAY - MINUTE

    assert notices.tell_due(at=early) == 0
    assert [notices.tell_due(at=early + 2 * MINUTE) for _ in range(3)] == [1, 0, 0]

    assert told(buyer) == ["trial_ending"]
    assert said("trial_ending")["amount"] == str(subscription.quote.amount)
    assert Notice.objects.get().object == f"subscription:{subscription.pk}"
    assert notices.tell_due(at=subscription.trial_end) == 0


def test_a_trial_that_is_cancelled_is_not_told_that_it_will_cost(buyer: Buyer, yearly: str) -> None:
    subscription = buyer.subscribe(yearly)
    assert subscription.trial_end
    subscriptions.cancel(subscription, now=False)
    Subscription.objects.update(canceled_at=clock.now() - 30 * DAY)

    assert notices.tell_due(at=subscription.trial_end - DAY) == 0


def test_a_yearly_renewal_is_told_of_a_week_before_and_a_monthly_one_is_not(buyer: Buyer, yearly: str) -> None:
    first = buyer.subscribe(yearly)
    assert first.trial_end
    pass_time(buyer, first.trial_end + 2 * HOUR)
    first.refresh_from_db()
    monthly = Buyer(buyer.stripe, "ben").subscribe()

    assert notices.tell_due(at=first.current_period_end - 8 * DAY) == 0
    assert notices.tell_due(at=first.current_period_end - 6 * DAY) == 1
    assert notices.tell_due(at=monthly.current_period_end - 6 * DAY) == 0

    assert told(buyer) == ["renewal_coming"]
    assert said("renewal_coming")["amount"] == str(first.quote.amount)


def test_which_renewals_are_told_of_is_a_setting(buyer: Buyer, settings: Any) -> None:
    settings.RENEWAL_NOTICE_DAYS = {"monthly": 3}
    subscription = buyer.subscribe()

    assert notices.tell_due(at=subscription.current_period_end - 2 * DAY) == 1
    assert told(buyer) == ["renewal_coming"]


def test_a_renewal_is_told_with_what_it_costs_by_now(buyer: Buyer, settings: Any) -> None:
    """Quantity and items count, and the change that waits for that very day; a wish that was dropped does not."""
    settings.RENEWAL_NOTICE_DAYS = {"monthly": 3, "yearly": 3}
    subscription = buyer.subscribe()
    amounts = []
    for target in (
        Target(quantity=3),
        Target(items=({"plan_id": "basic-monthly", "quantity": 2},)),
        Target(quantity=2),
        Target(quantity=3),
        Target(items=()),
    ):
        changing.change(subscription, target, asking=Asking.of("user:anna", None, {}))
        subscription.refresh_from_db()
        Notice.objects.all().delete()
        assert notices.tell_due(at=subscription.current_period_end - 2 * DAY) == 1
        amounts.append(said("renewal_coming")["amount"])

    assert amounts == [str(Money(minor, "usd")) for minor in (2400, 3200, 2400, 3200, 2400)]


def test_a_trial_is_told_with_the_quantity_that_it_will_bill(buyer: Buyer, yearly: str) -> None:
    subscription = buyer.subscribe(yearly)
    assert subscription.trial_end
    changing.change(subscription, Target(quantity=3), asking=Asking.of("user:anna", None, {}))

    assert notices.tell_due(at=subscription.trial_end - DAY) == 1
    assert said("trial_ending")["amount"] == str(Money(3 * subscription.quote.amount_minor, "usd"))


def test_the_bridge_to_another_interval_is_no_trial_that_ends(buyer: Buyer, settings: Any) -> None:
    """Stripe calls it a trial, and tells of its end; to the buyer it is the renewal, at what the year will cost."""
    settings.RENEWAL_NOTICE_DAYS = {"monthly": 3}
    subscription = buyer.subscribe()
    end = subscription.current_period_end
    change = changing.change(subscription, Target(plan_id="family-yearly"), asking=Asking.of("user:anna", None, {}))
    assert change
    assert buyer.stripe.get(f"subscriptions/{subscription.stripe_id}")["status"] == "trialing"
    pass_time(buyer, end - 2 * DAY)

    assert notices.tell_due(at=end - 2 * DAY) == 1

    assert told(buyer) == ["renewal_coming"]
    due = (said("renewal_coming")["plan"], said("renewal_coming")["amount"])
    assert due == (change.quote.version.plan.name, str(change.quote.amount))


def test_a_failed_renewal_is_told_and_so_is_its_recovery(buyer: Buyer, mailbox: Mailbox) -> None:
    """IN-04: once for each try, with the page on which to pay; and that it is well again."""
    subscription = buyer.subscribe()
    end = subscription.current_period_end
    break_card(buyer)
    known_for_long()
    pass_time(buyer, end + 2 * HOUR)
    assert told(buyer) == ["payment_failed"]
    assert said("payment_failed")["amount"] == "8.00 USD"
    good = buyer.stripe.post("payment_methods/pm_card_visa/attach", customer=str(buyer.customer.stripe_id))["id"]
    buyer.stripe.post(f"subscriptions/{subscription.stripe_id}", default_payment_method=good)

    pass_time(buyer, end + 5 * DAY)
    mail.send_due()

    assert told(buyer) == ["payment_failed", "payment_recovered"]
    failed, recovered = mailbox.mails
    assert (failed["To"], recovered["To"]) == ("anna@example.com", "anna@example.com")
    assert Invoice.objects.latest("pk").hosted_invoice_url in failed.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert recovered["Subject"] == "Your payment of 8.00 USD has arrived"


@pytest.mark.parametrize("seed", range(3))
def test_events_out_of_order_and_doubled_tell_once(buyer: Buyer, seed: int) -> None:
    subscription = buyer.subscribe()
    break_card(buyer)
    known_for_long()

    buyer.stripe.advance(
        str(buyer.customer.stripe_id), to=int((subscription.current_period_end + 2 * HOUR).timestamp())
    )
    buyer.stripe.deliver(times=3, shuffled=seed)

    assert told(buyer) == ["payment_failed"]


def test_who_fails_to_pay_on_the_page_sits_before_it(buyer: Buyer) -> None:
    """No mail for a card that is declined at the checkout."""
    checkout = buyer.order("pro-monthly")
    buyer.stripe.pay(str(checkout.stripe_id), "4000000000000002")
    buyer.stripe.deliver()

    assert told(buyer) == []


@pytest.mark.parametrize("now", [True, False])
def test_a_cancellation_is_confirmed_with_the_day_on_which_access_ends(buyer: Buyer, now: bool) -> None:
    """Ruling 27: at once or with the period; once for each time it is cancelled."""
    subscription = buyer.subscribe()
    subscriptions.cancel(subscription, now=now)
    subscription.refresh_from_db()

    assert [notices.tell_due(at=clock.now()) for _ in range(2)] == [1, 0]

    assert told(buyer) == ["subscription_canceled"]
    ends_at = subscription.ended_at or subscription.current_period_end
    assert said("subscription_canceled")["ends_on"] == f"{ends_at.day} {ends_at:%B %Y}"


def test_old_news_is_none(buyer: Buyer) -> None:
    """After a long stop, or an adoption of a running account, nobody is flooded."""
    subscription = buyer.subscribe()
    subscriptions.cancel(subscription, now=True)

    assert notices.tell_due(at=clock.now() + NEWS_FOR + HOUR) == 0


def test_what_was_before_us_is_told_by_nobody(buyer: Buyer) -> None:
    """A running account that is adopted: a refund and a failed renewal that we learn with all the rest are no news."""
    checkout = buyer.order("pro-monthly")
    buyer.stripe.pay(str(checkout.stripe_id))
    session = buyer.stripe.get(f"checkout/sessions/{checkout.stripe_id}")
    customer = session["customer"]
    intent = buyer.stripe.get("payment_intents", customer=customer)["data"][0]["id"]
    buyer.stripe.post("refunds", payment_intent=intent)
    card = buyer.stripe.post("payment_methods/pm_card_chargeCustomerFail/attach", customer=customer)["id"]
    found = buyer.stripe.post(f"subscriptions/{session['subscription']}", default_payment_method=card)
    end = found["items"]["data"][0]["current_period_end"]
    buyer.stripe.advance(customer, to=end + 7200)

    sync.look(found["latest_invoice"])
    sync.look(session["subscription"])

    assert Refund.objects.get().status == "succeeded"
    assert notices.tell_due(at=clock.now()) == 0
    assert told(buyer) == []


def test_a_refund_is_told_when_it_has_gone_through(buyer: Buyer) -> None:
    """RF-05 too: those made in Stripe's dashboard."""
    buyer.buy()
    refunds.create(buyer.payment, 500, reason="duplicate", asking=Asking.of("admin:root", None, {}))
    assert notices.tell_due(at=clock.now()) == 0
    buyer.stripe.post("refunds", payment_intent=str(buyer.payment.stripe_id), amount=300)
    buyer.stripe.deliver()

    assert [notices.tell_due(at=clock.now()) for _ in range(2)] == [2, 0]

    assert told(buyer) == ["refunded", "refunded"]
    amounts = [event.data["amount"] for event in Event.objects.filter(type="notice.refunded").order_by("sequence")]
    assert amounts == ["5.00 USD", "3.00 USD"]
    assert Refund.objects.count() == 2


@pytest.mark.parametrize(
    ("at", "is_told"),
    [
        (datetime(2027, 1, 29, 23, 59, tzinfo=UTC), False),
        (datetime(2027, 1, 30, tzinfo=UTC), True),
        (datetime(2027, 2, 28, 23, 59, tzinfo=UTC), True),
        (datetime(2027, 3, 1, tzinfo=UTC), False),
    ],
)
def test_a_card_is_told_of_in_its_last_thirty_days(buyer: Buyer, at: datetime, is_told: bool) -> None:
    """A card is good to the last day of its month; once for each expiry, and again for the next card."""
    buyer.buy()
    card = Card(id="1", customer=buyer.customer, exp_month=2, exp_year=2027, last4="4242")

    assert [notices.tell_due(at=at, cards=[card]) for _ in range(2)] == [int(is_told), 0]

    if is_told:
        assert said("card_expiring") == {"last4": "4242", "month": "02/2027"}
        assert notices.tell_due(at=at, cards=[replace(card, id="2")]) == 1


@pytest.mark.parametrize(
    ("without", "words"), [("keep", "your price stays 8.00 USD"), ("cancel", "your subscription ends with the period")]
)
def test_a_proposed_price_is_told_with_what_follows_without_an_answer(
    buyer: Buyer, mailbox: Mailbox, settings: Any, without: str, words: str
) -> None:
    """Once: how much, instead of what, until when; by the policy too, whose look learns the address last."""
    settings.ZONE_POLICY, settings.ZONE_WITHOUT_CONSENT = {"dearer": "reprice"}, without
    buyer.subscribe()
    check = ZoneCheck.objects.select_related("proposed").get()
    assert check.proposed
    assert check.answer_until

    assert [notices.tell_due(at=clock.now()) for _ in range(3)] == [1, 0, 0]
    mail.send_due()

    assert told(buyer) == ["price_proposed"]
    assert said("price_proposed") == {
        "plan": "Pro",
        "amount": str(check.proposed.amount),
        "instead_of": "8.00 USD",
        "answer_by": f"{check.answer_until.day} {check.answer_until:%B %Y}",
        "without_answer": without,
    }
    (sent,) = mailbox.mails
    assert sent["To"] == "anna@example.com"
    text = sent.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert words in text
    assert str(check.proposed.amount) in text


@pytest.mark.parametrize("gone", ["answered", "late", "cancelled"])
def test_a_proposal_that_nobody_waits_for_is_not_told(buyer: Buyer, settings: Any, gone: str) -> None:
    settings.ZONE_POLICY = {"dearer": "reprice"}
    subscription = buyer.subscribe()
    until = ZoneCheck.objects.get().answer_until
    assert until
    if gone == "answered":
        repricing.answer(subscription, accept=False)
    elif gone == "cancelled":
        subscriptions.cancel(subscription, now=False)
        Subscription.objects.update(canceled_at=clock.now() - 30 * DAY)

    assert notices.tell_due(at=until if gone == "late" else clock.now()) == 0


def test_many_jobs_at_once_tell_once(buyer: Buyer, mailbox: Mailbox) -> None:
    subscription = buyer.subscribe()
    subscriptions.cancel(subscription, now=True)
    gate = threading.Barrier(8)

    def work(_number: int) -> int:
        gate.wait()
        try:
            return notices.tell_due(at=clock.now())
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(work, range(8))) == 1

    assert told(buyer) == ["subscription_canceled"]
    assert Mail.objects.count() == 1


def test_the_database_itself_says_once(buyer: Buyer) -> None:
    buyer.buy()
    row = {"kind": "refunded", "customer": buyer.customer, "object": "refund:1"}
    Notice.objects.create(**row)

    with pytest.raises(IntegrityError, match="told_once_per_occasion"):
        Notice.objects.create(**row)


def test_without_a_mail_server_history_alone_tells(buyer: Buyer) -> None:
    """EV-07: whoever listens to history may send in his own way."""
    subscription = buyer.subscribe()
    subscriptions.cancel(subscription, now=True)

    tasks.tell_customers()

    assert told(buyer) == ["subscription_canceled"]
    assert not Mail.objects.exists()


def test_every_kind_has_its_templates_and_no_other_is_there(mailbox: Mailbox) -> None:
    """Text and HTML for each, with nothing left unfilled and nothing fetched from elsewhere."""
    folder = Path(__file__).parents[2] / "templates" / "emails"
    names = {file.stem for file in folder.iterdir()} - {"layout"}
    assert names == set(Notice.Kind.values)

    filled = {
        "plan": "Pro",
        "amount": "12.00 USD",
        "on": "5 December 2026",
        "ends_on": "5 December 2026",
        "next_try_on": "5 December 2026",
        "last4": "4242",
        "month": "12/2026",
        "description": "Pro",
        "instead_of": "8.00 USD",
        "answer_by": "5 December 2026",
        "without_answer": "keep",
        "link": "https://pay.example/in_1",
    }
    for kind in Notice.Kind.values:
        with transaction.atomic():
            mail.queue(kind, to="anna@example.com", subject="user:anna", said=filled, at=clock.now())
    mail.send_due()

    assert len(mailbox.mails) == len(Notice.Kind)
    for sent in mailbox.mails:
        for part in sent.iter_parts():
            words = part.get_content()
            assert "{" not in words
            assert not [line for line in words.splitlines() if "src=" in line]
        assert sent["Subject"]


def test_a_person_reads_and_erases_what_was_told(buyer: Buyer, mailbox: Mailbox) -> None:
    """A mail that still waits is open to its person, and does not leave once he is erased."""
    buyer.buy()
    buyer.stripe.post("refunds", payment_intent=str(buyer.payment.stripe_id))
    buyer.stripe.deliver()
    notices.tell_due(at=clock.now())

    found = persons.export("anna", at=clock.now())
    assert [row["kind"] for row in found["billing_notice"]] == ["refunded"]
    assert [row["recipient"] for row in found["events_mail"]] == ["anna@example.com"]
    erased = persons.erase("anna", reason="ticket 9", at=clock.now())

    assert erased["mails"] == 1
    assert mail.send_due() == 0
    assert Notice.objects.count() == 1
    assert janitor.settle_unknown(at=clock.now()) == 0
