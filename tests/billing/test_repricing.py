"""The price of the card's country: proposed, and billed from the next period on only if the buyer agrees."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.urls import reverse

from billing import earned, proposals, repricing, subscriptions, tasks
from billing.earned import Act, Ground
from billing.errors import AlreadyDecided
from billing.models import Payment, Subscription, SubscriptionChange, ZoneCheck
from billing.subscription_errors import NotProposable
from config.checks import ZONE_ACTS, zones_are_settled_as_named
from events import clock
from tests.api import api
from tests.billing.test_subscriptions import HOUR, pass_time
from tests.buyer import Buyer
from tests.staff import log_in
from tests.test_status_moves import MACHINES

DAY = timedelta(days=1)
PATH = "/api/v1/subscriptions"


def charged() -> list[int]:
    paid = Payment.objects.filter(status="succeeded").order_by("paid_at", "pk")
    return list(paid.values_list("captured_minor", flat=True))


def answer(subscription: Subscription, accept: Any = True, client: Any = None) -> Any:
    path = f"{PATH}/{subscription.pk}/consent"
    return (client or api()).post(path, {"accept": accept}, content_type="application/json")


def shown(subscription: Subscription) -> Any:
    return api().get(f"{PATH}/{subscription.pk}").json()["proposed_price"]


@pytest.fixture
def asked(buyer: Buyer) -> Subscription:
    """A subscription at India's price, paid by a card of the United States, for which that price is proposed."""
    subscription = buyer.subscribe()
    proposals.propose(ZoneCheck.objects.get(), by="staff:root")
    return subscription


@pytest.mark.parametrize("ground", list(Ground))
@pytest.mark.parametrize("act", list(Act))
def test_every_ground_under_every_policy(settings: Any, ground: Ground, act: Act) -> None:
    """A claim that holds is accepted whatever is set; one that does not is done as the setting says, else flagged."""
    settings.ZONE_POLICY = {str(ground): str(act)}
    holds = ground not in earned.FLAGGED

    assert earned.act(ground) is (Act.ACCEPT if holds else act)
    begun = {Act.ACCEPT: "accepted", Act.REFUND_AND_CANCEL: "refusing"}.get(act, "flagged")
    assert earned.status_for(earned.act(ground)) == ("accepted" if holds else begun)
    settings.ZONE_POLICY = {}
    assert earned.act(ground) is (Act.ACCEPT if holds else Act.FLAG)


def test_a_policy_that_nobody_could_follow_is_refused_at_the_start(settings: Any) -> None:
    """A ground that holds, a word that is none, and a price where none is known."""
    assert set(ZONE_ACTS) == {str(ground) for ground in earned.FLAGGED}
    assert {act for acts in ZONE_ACTS.values() for act in acts} == {str(act) for act in Act}

    settings.ZONE_POLICY = {"same_zone": "flag", "dearer": "ask", "prepaid": "reprice"}
    settings.ZONE_WITHOUT_CONSENT = "charge"

    assert [one.id for one in zones_are_settled_as_named()] == [*["farebox.E024"] * 3, "farebox.E025"]


def test_a_proposal_is_seen_and_charges_nothing(buyer: Buyer, asked: Subscription) -> None:
    """The buyer sees the price and until when he may answer; a renewal before his answer costs what it did."""
    check = ZoneCheck.objects.get()
    assert (check.status, check.decided_by) == ("proposed", "staff:root")
    assert shown(asked)["amount"] > asked.quote.amount_minor
    assert shown(asked)["country_code"] == "US"
    assert check.answer_until == asked.current_period_end - DAY
    proposals.propose(check, by="staff:root")
    assert buyer.history("zone-check") == ["zone.flagged", "zone.proposed"]

    pass_time(buyer, asked.current_period_end + 2 * HOUR)

    assert charged() == [800, 800]
    assert buyer.stripe.requests("POST", f"/v1/subscriptions/{asked.stripe_id}") == []


@pytest.mark.parametrize("times", [1, 2])
def test_with_consent_the_price_changes_with_the_next_period(buyer: Buyer, asked: Subscription, times: int) -> None:
    """Nothing now, no proration; the next period costs what was shown, to the cent."""
    amount, end = shown(asked)["amount"], asked.current_period_end

    for _ in range(times):
        said = answer(asked)
        assert said.status_code == 200, said.json()
    buyer.stripe.deliver(times=2, shuffled=1)

    assert charged() == [800]
    assert shown(asked) is None
    assert SubscriptionChange.objects.get().status == "scheduled"
    assert len(buyer.stripe.requests("POST", f"/v1/subscriptions/{asked.stripe_id}")) == 1
    assert answer(asked, accept=False).status_code == 409
    pass_time(buyer, end + 2 * HOUR)
    assert charged() == [800, amount]
    assert SubscriptionChange.objects.get().status == "applied"
    assert Subscription.objects.get().quote.country_code == "US"
    assert ZoneCheck.objects.earliest("pk").change == SubscriptionChange.objects.get()
    # The new price is a claim of its own, and holds.
    assert buyer.history("zone-check") == ["zone.flagged", "zone.proposed", "zone.consented", "zone.accepted"]


@pytest.mark.parametrize(("setting", "renewals"), [("keep", [800, 800]), ("cancel", [800])])
@pytest.mark.parametrize("declines", [True, False])
def test_without_consent_the_price_stays_until_the_period_ends(
    buyer: Buyer, asked: Subscription, settings: Any, setting: str, renewals: list[int], declines: bool
) -> None:
    """Declined, or never answered: then what the setting says; never a cent more."""
    settings.ZONE_WITHOUT_CONSENT = setting
    end, until = asked.current_period_end, ZoneCheck.objects.get().answer_until
    assert until

    if declines:
        assert [answer(asked, accept=False).status_code for _ in range(2)] == [200, 200]
    else:
        assert repricing.settle_due(at=until - HOUR) == 0
        assert repricing.settle_due(at=until) > 0
    assert repricing.settle_due(at=until + HOUR) == 0

    assert ZoneCheck.objects.get().status == ("declined" if declines else "lapsed")
    assert bool(Subscription.objects.get().cancel_at) is (setting == "cancel")
    assert buyer.may(at=end - HOUR).allowed
    assert answer(asked).json()["code"] == "already_decided"
    pass_time(buyer, end + 2 * HOUR)
    assert charged() == renewals


def test_only_the_buyer_agrees(asked: Subscription) -> None:
    """Not staff, not a stranger; not without a proposal, and not without a clear word."""
    assert answer(asked, client=api("root", "admin")).status_code == 403
    assert answer(asked, client=api("ben")).status_code == 404
    assert answer(asked, accept="perhaps").status_code == 400
    ZoneCheck.objects.update(proposed=None)
    assert answer(asked).json()["code"] == "no_proposed_price"


def test_a_consent_that_stripe_never_answered_is_finished_once(buyer: Buyer, asked: Subscription) -> None:
    """503; the consent stands, and the job asks under the same key."""
    buyer.stripe.control("faults", path=f"^/v1/subscriptions/{asked.stripe_id}$", method="POST", fault="500", times=99)
    assert answer(asked).status_code == 503
    assert ZoneCheck.objects.get().status == "consented"
    buyer.stripe.http.delete("/_sandbox/faults")

    SubscriptionChange.objects.update(busy_until=None)
    for _ in range(2):
        tasks.settle_zones()

    assert SubscriptionChange.objects.get().status == "scheduled"
    assert ZoneCheck.objects.get().change_id
    assert charged() == [800]


def test_eight_answers_at_once_are_one(asked: Subscription) -> None:
    """Yes and no together: the first that was written counts for all."""

    def one(number: int) -> int:
        try:
            return int(answer(asked, accept=bool(number % 2)).status_code)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        answers = Counter(pool.map(one, range(8)))

    check = ZoneCheck.objects.get()
    assert set(answers) <= {200, 409}
    assert check.status in ("consented", "declined")
    changes = list(SubscriptionChange.objects.values_list("status", flat=True))
    assert changes == (["scheduled"] if check.status == "consented" else [])


def test_the_policy_proposes_by_itself(buyer: Buyer, settings: Any) -> None:
    """Of a subscription; a single purchase has no next period, so it is flagged."""
    settings.ZONE_POLICY = {"dearer": "reprice"}
    buyer.buy()
    assert ZoneCheck.objects.get().status == "flagged"

    subscription = buyer.subscribe()
    buyer.stripe.deliver(times=2)

    assert ZoneCheck.objects.latest("pk").status == "proposed"
    assert shown(subscription)["amount"] > 800
    assert sorted(charged()) == [800, 1200]


@pytest.mark.parametrize("times", [1, 2])
def test_the_policy_refunds_and_cancels_by_itself(buyer: Buyer, settings: Any, times: int) -> None:
    """Once, however often the job runs: the money is back, and what was bought ends."""
    settings.ZONE_POLICY = {"dearer": "refund_and_cancel"}
    buyer.subscribe()
    assert ZoneCheck.objects.get().status == "refusing"

    for _ in range(times):
        tasks.settle_zones()
    buyer.stripe.deliver()

    assert (ZoneCheck.objects.get().status, Subscription.objects.get().status) == ("refused", "canceled")
    assert buyer.payment.shown_status == "refunded"
    assert len(buyer.stripe.requests("POST", "/v1/refunds")) == 1
    assert not buyer.may().allowed


def test_what_the_policy_may_not_give_back_is_for_staff(buyer: Buyer, settings: Any) -> None:
    """Over the cap two admins decide; while Stripe is silent it is tried again."""
    settings.ZONE_POLICY = {"dearer": "refund_and_cancel"}
    buyer.buy()
    buyer.stripe.control("faults", path="^/v1/refunds$", method="POST", fault="500", times=9)
    tasks.settle_zones()
    assert ZoneCheck.objects.get().status == "refusing"
    buyer.stripe.http.delete("/_sandbox/faults")
    tasks.settle_zones()
    assert ZoneCheck.objects.get().status in ("refused", "refusing")

    ben = Buyer(buyer.stripe, "ben")
    settings.REFUND_CAPS = {}
    subscription = ben.subscribe()
    tasks.settle_zones()
    ben.stripe.deliver()

    assert ZoneCheck.objects.get(payment__customer__user_id="ben").status == "flagged"
    subscription.refresh_from_db()
    assert (subscription.status, ben.may().allowed) == ("active", True)


def test_what_cannot_be_repriced_is_refused_with_its_reason(buyer: Buyer) -> None:
    """A single purchase, and a subscription that has ended."""
    buyer.buy()
    with pytest.raises(NotProposable, match="no subscription runs"):
        proposals.propose(ZoneCheck.objects.get(), by="staff:root")
    subscription = buyer.subscribe()
    check = ZoneCheck.objects.latest("pk")
    subscriptions.cancel(subscription, now=True)
    with pytest.raises(NotProposable):
        proposals.propose(check, by="staff:root")
    earned.accept(check, by="staff:root")
    check.refresh_from_db()
    with pytest.raises(AlreadyDecided):
        proposals.propose(check, by="staff:root")


def test_staff_propose_with_a_reason(buyer: Buyer) -> None:
    """From the page of zone checks."""
    buyer.subscribe()
    check = ZoneCheck.objects.get()
    root = log_in(Client(), User.objects.get_or_create(username="root", is_staff=True, is_superuser=True)[0])
    page = reverse("admin:billing_zonecheck_changelist")

    for why, status in (("", "flagged"), ("VPN.", "proposed")):
        root.post(page, {"action": "propose", "_selected_action": [str(check.pk)], "why": why})
        check.refresh_from_db()
        assert check.status == status
    assert ZoneCheck in MACHINES
    assert clock.now() < (check.answer_until or clock.now())
