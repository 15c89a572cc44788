"""A trial is taken once: by a customer, and with a card."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from django.db import connection

from billing.models import Finding, Payment, Subscription, TrialUse
from tests.api import api
from tests.billing.test_subscribing import PATH, subscribe
from tests.buyer import Buyer

BASIC = {"plan_id": "basic-monthly"}


def give_up(answer: dict[str, str], who: str = "anna") -> None:
    assert api(who).delete(f"{PATH}/{answer['id']}?mode=immediate").status_code == 200


def test_a_trial_begins_without_a_charge(buyer: Buyer) -> None:
    """PL-08, SU-07: the plan's own days when none are named, fewer when asked; access from the start."""
    answer = subscribe(**BASIC, trial_days=7).json()

    assert answer["status"] == "trialing"
    subscription = Subscription.objects.get()
    assert (subscription.current_period_end - subscription.started_at).days in (6, 7)
    assert buyer.may().allowed
    assert not Payment.objects.exists()


def test_a_second_trial_of_a_customer_is_none(buyer: Buyer) -> None:
    """Asked for by name it is refused; not asked for, the subscription is paid from the start, as every later one."""
    give_up(subscribe(**BASIC).json())

    assert subscribe(**BASIC, trial_days=14).json()["code"] == "trial_used"
    answer = subscribe(**BASIC)

    assert answer.json()["status"] == "active"
    assert buyer.payment.status == "succeeded"


def test_a_card_that_had_its_trial_has_none_with_another_customer(buyer: Buyer) -> None:
    """Its fingerprint is the same wherever it is used."""
    subscribe(**BASIC)

    assert subscribe(**BASIC, trial_days=1, who="ben").json()["code"] == "trial_used"
    assert subscribe(**BASIC, who="ben").json()["status"] == "active"
    assert subscribe(**BASIC, who="cara", payment_method="pm_card_mastercard").json()["status"] == "trialing"


def test_a_page_offers_a_trial_once_too(buyer: Buyer) -> None:
    """The second page asks for the whole price, and that is no finding."""
    first = buyer.subscribe("basic-monthly")
    assert first.status == "trialing"
    assert TrialUse.objects.get().card_fingerprint
    give_up({"id": str(first.pk)})

    second = buyer.subscribe("basic-monthly")

    assert second.status == "active"
    assert buyer.payment.captured_minor == 400
    assert not Finding.objects.exists()


def test_a_card_seen_too_late_is_a_finding_and_charges_nobody(buyer: Buyer) -> None:
    """On Stripe's page the card is known only afterwards: staff decide, nothing is charged silently."""
    buyer.subscribe("basic-monthly")

    ben = Buyer(buyer.stripe, "ben").subscribe("basic-monthly")

    assert ben.status == "trialing"
    found = Finding.objects.get()
    assert (found.kind, found.object) == ("second_trial", f"subscription:{ben.pk}")
    assert not Payment.objects.exists()


def test_an_order_that_fails_gives_its_trial_back(buyer: Buyer) -> None:
    """A refused card takes no trial away."""
    answer = subscribe(**BASIC, payment_method="pm_card_chargeDeclined")
    assert (answer.status_code, answer.json()["code"]) == (402, "card_declined")
    assert not TrialUse.objects.exists()

    assert subscribe(**BASIC).json()["status"] == "trialing"


def test_staff_may_give_ninety_days(buyer: Buyer) -> None:
    """An admin gives more than the plan's own."""
    answer = subscribe(**BASIC, trial_days=90, who="root", role="admin", user_id="anna")

    assert answer.json()["status"] == "trialing"
    assert subscribe(**BASIC, trial_days=15, who="ben").json()["code"] == "trial_too_long"


def test_one_card_of_many_customers_at_once_has_one_trial(buyer: Buyer) -> None:
    """Sixteen customers, one card: the constraint lets one through."""
    gate = threading.Barrier(16)

    def one(number: int) -> str:
        gate.wait()
        try:
            return str(subscribe(**BASIC, trial_days=14, who=f"user-{number}").json().get("status"))
        finally:
            connection.close()

    with ThreadPoolExecutor(16) as pool:
        answers = sorted(pool.map(one, range(16)))

    assert answers == ["409"] * 15 + ["trialing"]
