"""A renewal that is given up: Stripe calls the subscription active, and access follows the policy."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from billing import changing, facts, invoicing, policy, refunds, rules, subscriptions
from billing.idempotency import Asking
from billing.models import Invoice, Payment, Subscription
from billing.policy import DEFAULTS, Action, Cause, Facts, Kind, Rule
from billing.targets import Target
from billing.transactions import whole
from entitlements.models import Reason
from events import clock
from tests.billing.billed import bill_later
from tests.billing.test_subscriptions import break_card, pass_time
from tests.buyer import Buyer

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
START = datetime(2026, 5, 1, tzinfo=UTC)
END = datetime(2026, 6, 1, tzinfo=UTC)
PAID = Facts(800)


def a_running(status: str = "active", paused: bool = False) -> Subscription:
    return Subscription(
        status=status,
        started_at=START - timedelta(days=30),
        current_period_start=START,
        current_period_end=END,
        paused_at=START if paused else None,
    )


@pytest.mark.parametrize(
    ("status", "paused", "rule", "hold", "until"),
    [
        ("active", False, Rule(Action.SUSPEND), Reason.UNPAID, START),
        ("active", False, Rule(Action.KEEP), None, END + policy.RENEWAL_GRACE),
        ("active", False, Rule(Action.SHORTEN, 3), None, START + timedelta(days=3)),
        ("past_due", False, Rule(Action.SUSPEND), Reason.UNPAID, START),
        ("past_due", False, Rule(Action.KEEP), None, START + policy.PAST_DUE_GRACE),
        ("past_due", False, Rule(Action.SHORTEN, 3), None, START + timedelta(days=3)),
        ("past_due", False, Rule(Action.SHORTEN, 9), None, START + policy.PAST_DUE_GRACE),
        ("unpaid", False, Rule(Action.KEEP), Reason.UNPAID, START),
        ("active", True, Rule(Action.SUSPEND), Reason.PAUSED, END),
    ],
)
@pytest.mark.parametrize(("kind", "told"), [(Kind.SUBSCRIPTION, PAID), (Kind.TRIAL, None)])
def test_every_rule_for_what_is_given_up(
    kind: Kind, told: Facts | None, status: str, paused: bool, rule: Rule, hold: Reason | None, until: datetime
) -> None:
    """Of two causes the one whose rule takes more decides; a tie keeps the reason that Stripe's status gives."""
    table = {**DEFAULTS, (kind, Cause.UNCOLLECTIBLE): rule}

    access = policy.access_of(a_running(status, paused), told, table, uncollectible=True)

    assert (access.hold, access.grace_until or access.ends_at) == (hold, until)


def test_revoked_by_rule_and_nothing_without_the_fact() -> None:
    """For good where staff say so; a paid period is not touched."""
    table = {**DEFAULTS, (Kind.SUBSCRIPTION, Cause.UNCOLLECTIBLE): Rule(Action.REVOKE)}

    assert policy.access_of(a_running(), PAID, table, uncollectible=True).revoked is Reason.UNPAID
    assert policy.access_of(a_running(), PAID, table) == policy.access_of(a_running(), PAID, DEFAULTS)
    ended = replace(policy.NOTHING)
    assert policy.access_of(a_running("incomplete"), None, table, uncollectible=True) == ended


def given_up(buyer: Buyer) -> tuple[Subscription, Invoice]:
    """Let a renewal fail, and its invoice be marked uncollectible."""
    subscription = buyer.subscribe()
    break_card(buyer)
    pass_time(buyer, subscription.current_period_end + 2 * HOUR)
    invoice = Invoice.objects.get(status="open")
    buyer.stripe.post(f"invoices/{invoice.stripe_id}/mark_uncollectible")
    subscription.refresh_from_db()
    return subscription, invoice


def test_a_renewal_that_is_given_up_holds_access_and_its_payment_gives_it_again(buyer: Buyer) -> None:
    """IN: uncollectible, doubled and shuffled; Stripe says active, nobody has paid; paid after all, access is back."""
    subscription, invoice = given_up(buyer)
    at = subscription.current_period_start + 3 * HOUR
    assert buyer.may(at=at).allowed

    buyer.stripe.deliver(times=2, shuffled=3)

    subscription.refresh_from_db()
    assert (subscription.status, Invoice.objects.get(pk=invoice.pk).status) == ("active", "uncollectible")
    assert buyer.may(at=at).reason_code == "suspended_unpaid"
    good = buyer.stripe.post("payment_methods/pm_card_visa/attach", customer=str(buyer.customer.stripe_id))["id"]
    buyer.stripe.post(f"invoices/{invoice.stripe_id}/pay", payment_method=good)
    buyer.stripe.deliver(times=2, shuffled=5)
    assert buyer.may(at=at).allowed


def test_the_next_paid_period_gives_access_again(buyer: Buyer) -> None:
    """An older debt takes nothing of a period that is paid."""
    subscription, _ = given_up(buyer)
    buyer.stripe.deliver()
    customer = str(buyer.customer.stripe_id)
    good = buyer.stripe.post("payment_methods/pm_card_visa/attach", customer=customer)["id"]
    buyer.stripe.post(f"subscriptions/{subscription.stripe_id}", default_payment_method=good)

    pass_time(buyer, subscription.current_period_end + 2 * HOUR)

    assert not facts.uncollectible(Subscription.objects.get())
    assert buyer.may(at=subscription.current_period_end + 3 * HOUR).allowed


def test_staff_who_give_an_invoice_up_take_access_by_the_rule(buyer: Buyer) -> None:
    """Through our own door, once or twice; and the page of rules shows whom another rule hits."""
    subscription = buyer.subscribe()
    break_card(buyer)
    pass_time(buyer, subscription.current_period_end + 2 * HOUR)
    invoice = Invoice.objects.get(status="open")

    for _ in range(2):
        invoice = invoicing.close(invoice, void=False)
    buyer.stripe.deliver()

    at = subscription.current_period_end + 3 * HOUR
    assert buyer.may(at=at).reason_code == "suspended_unpaid"
    keep = Rule(Action.KEEP)
    hits = rules.preview(Kind.SUBSCRIPTION, Cause.UNCOLLECTIBLE, keep)
    assert [(hit.user_id, hit.before) for hit in hits] == [("anna", "suspended (unpaid)")]
    rules.change(Kind.SUBSCRIPTION, Cause.UNCOLLECTIBLE, keep, hits=1, at=clock.now())
    rules.apply(at=clock.now())
    assert buyer.may(at=at).allowed


def test_what_was_billed_by_hand_and_given_up_takes_no_access(buyer: Buyer) -> None:
    """An extra on a subscription is not its period."""
    subscription = buyer.subscribe()
    customer = str(buyer.customer.stripe_id)
    buyer.stripe.post(
        "invoiceitems", customer=customer, amount=700, currency="usd", subscription=subscription.stripe_id
    )
    extra = buyer.stripe.post("invoices", customer=customer, subscription=subscription.stripe_id, auto_advance="false")[
        "id"
    ]
    buyer.stripe.post(f"invoices/{extra}/finalize")
    buyer.stripe.post(f"invoices/{extra}/mark_uncollectible")

    buyer.stripe.deliver()

    assert Invoice.objects.get(stripe_id=extra).status == "uncollectible"
    assert buyer.may().allowed


def test_a_refund_or_dispute_of_an_older_period_takes_no_access(buyer: Buyer) -> None:
    """That period is over; the one that runs is paid. The money is booked all the same."""
    subscription = buyer.subscribe()
    pass_time(buyer, subscription.current_period_end + 2 * HOUR)
    older, last = Payment.objects.order_by("paid_at", "pk")
    at = subscription.current_period_end + 3 * HOUR

    made = buyer.stripe.control("disputes", charge=older.stripe_charge_id)
    buyer.stripe.control(f"disputes/{made['id']}/close", won=False)
    buyer.stripe.deliver(times=2, shuffled=2)

    older.refresh_from_db()
    assert older.lost_minor == older.captured_minor
    assert buyer.may(at=at).allowed
    refunds.create(last, None, reason="", asking=Asking.of("admin:root", None, {}))
    buyer.stripe.deliver()
    assert buyer.may(at=at).reason_code == "suspended_refund"


def test_a_period_paid_in_parts_is_refunded_when_all_of_it_is(buyer: Buyer) -> None:
    """An upgrade's own charge given back is a part; with the rest of the period it is all."""
    subscription = buyer.subscribe()
    changing.change(subscription, Target(quantity=2), asking=Asking.of("user:anna", None, {}))
    buyer.stripe.deliver()
    first, upgrade = Payment.objects.order_by("pk")

    refunds.create(upgrade, None, reason="", asking=Asking.of("admin:root", None, {}))
    buyer.stripe.deliver()
    assert buyer.may().allowed

    refunds.create(first, None, reason="", asking=Asking.of("admin:root", None, {}))
    buyer.stripe.deliver()
    assert buyer.may().reason_code == "suspended_refund"


def test_the_days_of_grace_are_not_given_again_with_each_unpaid_period() -> None:
    """Past due for a second period: what was paid ended before the first."""
    late = a_running("past_due")
    first = START - timedelta(days=31)

    again = policy.access_of(late, PAID, DEFAULTS, paid_until=first)

    assert again.grace_until == first + policy.PAST_DUE_GRACE
    assert policy.access_of(late, PAID, DEFAULTS, paid_until=START) == policy.access_of(late, PAID, DEFAULTS)


def test_a_second_unpaid_period_gives_nothing(buyer: Buyer) -> None:
    """Stripe goes on billing what is past due: access has ended with the grace of the first."""
    subscription = buyer.subscribe()
    until = facts.paid_until(subscription)
    assert until == subscription.current_period_end
    Subscription.objects.update(
        status="past_due", current_period_start=until + 31 * DAY, current_period_end=until + 62 * DAY
    )

    whole(subscriptions.entitle)(Subscription.objects.get(), at=clock.now())

    assert buyer.may(at=until + policy.PAST_DUE_GRACE - HOUR).allowed
    assert not buyer.may(at=until + 32 * DAY).allowed


def test_what_was_billed_by_hand_pays_for_no_period(buyer: Buyer) -> None:
    """An extra that is given back takes no access, and one that is paid gives none back."""
    subscription = buyer.subscribe()
    first = buyer.payment
    extra = _pay_an_extra(buyer, subscription)
    asking = Asking.of("admin:root", None, {})

    refunds.create(extra, None, reason="", asking=asking)
    buyer.stripe.deliver()
    assert buyer.may().allowed

    refunds.create(first, None, reason="", asking=asking)
    buyer.stripe.deliver()
    assert buyer.may().reason_code == "suspended_refund"
    _pay_an_extra(buyer, subscription)
    assert buyer.may().reason_code == "suspended_refund"


def _pay_an_extra(buyer: Buyer, subscription: Subscription) -> Payment:
    customer = str(buyer.customer.stripe_id)
    bill_later(buyer.customer, 700, subscription)
    made = buyer.stripe.post("invoices", customer=customer, subscription=subscription.stripe_id, auto_advance="false")
    buyer.stripe.post(f"invoices/{made['id']}/finalize")
    buyer.stripe.post(f"invoices/{made['id']}/pay")
    buyer.stripe.deliver()
    return Payment.objects.get(stripe_invoice_id=made["id"], subscription=subscription, status="succeeded")
