"""Our books against Stripe's: nothing, when all is well; by class, when it is not."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command

from billing import payments, reconcile
from billing.at_stripe.lists import Window
from billing.models import Customer, Finding, Payment, Refund
from billing.transactions import whole
from events import clock
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
    """Payments, subscriptions and refunds of the window, all compared."""
    buyer.buy()
    buyer.subscribe()
    buyer.stripe.post("refunds", payment_intent=str(Payment.objects.earliest("id").stripe_id))
    buyer.stripe.deliver()

    report = reconcile.compare(hour())

    assert report.differences == []
    assert report.compared == {"payment_intents": 2, "subscriptions": 1, "refunds": 1, "checkouts": 2, "grants": 0}


def test_an_event_that_never_came_is_found_and_healed(buyer: Buyer) -> None:
    """State heals by itself: we look again."""
    checkout = buyer.order()
    buyer.stripe.pay(str(checkout.stripe_id))
    assert differences() == {("missing_here", "pi_"), ("status", "cs_")}

    settle()

    assert buyer.may().allowed
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
    assert (
        "compared 1 payment intents, 0 subscriptions, 0 refunds, 1 checkouts, 0 grants: 0 differences"
        in capsys.readouterr().out
    )

    Payment.objects.update(amount_minor=1300)
    with pytest.raises(CommandError, match="1 differences"):
        call_command("reconcile_stripe", "--since", "1h", "--dry-run")

    assert not Finding.objects.exists()
