"""Another plan, quantity or set of items: seen with its price, applied once; more now, less with the next period."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.urls import reverse

from billing import changing, janitor, sync
from billing.gathering import Gathering
from billing.idempotency import Asking
from billing.models import Payment, Subscription, SubscriptionChange, TrialUse
from billing.targets import Target
from events import clock
from tests.api import api
from tests.billing.test_subscribing import subscribe
from tests.billing.test_subscriptions import HOUR, pass_time
from tests.buyer import Buyer
from tests.staff import log_in

PATH = "/api/v1/subscriptions"
LATER = timedelta(minutes=2)


@pytest.fixture
def basic(buyer: Buyer) -> Subscription:
    """A subscription to the smaller plan, paid."""
    assert subscribe(plan_id="basic-monthly", trial_days=0).status_code == 201
    return Subscription.objects.get()


@pytest.fixture
def pro(buyer: Buyer) -> Subscription:
    """A subscription to the larger plan, paid."""
    assert subscribe().status_code == 201
    return Subscription.objects.get()


def preview(subscription: Subscription, key: str = "", **wanted: Any) -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    return api().post(f"{PATH}/{subscription.pk}/preview", wanted, content_type="application/json", headers=headers)


def patch(subscription: Subscription, **wanted: Any) -> Any:
    return api().patch(f"{PATH}/{subscription.pk}", wanted, content_type="application/json")


def plan_of(subscription: Subscription) -> tuple[str, int]:
    subscription.refresh_from_db()
    return subscription.version.plan_id, subscription.quantity


def charged() -> list[int]:
    return list(Payment.objects.filter(status="succeeded").order_by("pk").values_list("captured_minor", flat=True))


def test_an_upgrade_is_seen_then_charged_to_the_cent_and_begins_now(buyer: Buyer, basic: Subscription) -> None:
    """SU-05, SU-11: due now, the next invoice, and what access changes; then exactly that is charged."""
    shown = preview(basic, plan_id="pro-monthly").json()

    assert (shown["status"], shown["when"], shown["plan_id"]) == ("previewed", "now", "pro-monthly")
    assert 0 < shown["amount"] <= 800 - 400
    assert shown["next_amount"] == 800
    assert shown["access"]["gained"] == ["reports"]
    assert {one["feature"] for one in shown["access"]["changed"]} == {
        "api_calls",
        "file_formats",
        "storage_gb",
        "support_level",
    }
    assert plan_of(basic) == ("basic-monthly", 1)
    assert not buyer.may("reports").allowed

    answer = patch(basic, preview_id=shown["id"])

    assert (answer.status_code, answer.json()["plan_id"]) == (200, "pro-monthly")
    assert charged() == [400, shown["amount"]]
    assert buyer.may("reports").allowed
    assert patch(basic, preview_id=shown["id"]).status_code == 200
    buyer.stripe.deliver(times=2, shuffled=1)
    assert charged() == [400, shown["amount"]]
    told = [one for one in buyer.history("subscription") if "chang" in one]
    assert told == ["subscription.change_asked", "subscription.change_applied", "subscription.changed"]


def test_an_upgrade_that_is_not_paid_changes_no_access(buyer: Buyer, basic: Subscription) -> None:
    """The bank asks: until the buyer has answered he has what he had; then the new plan."""
    _use_card(buyer, basic, "pm_card_authenticationRequired")

    answer = patch(basic, plan_id="pro-monthly").json()

    assert (answer["plan_id"], answer["pending_change"]["status"]) == ("basic-monthly", "waiting")
    assert not buyer.may("reports").allowed
    assert buyer.may("export").allowed
    assert preview(basic, plan_id="pro-monthly").json()["code"] == "subscription_not_changeable"
    buyer.stripe.control(f"3ds/{answer['client_secret'].split('_secret_')[0]}", success=True)
    buyer.stripe.deliver(times=2, shuffled=2)
    assert plan_of(basic) == ("pro-monthly", 1)
    assert buyer.may("reports").allowed
    assert SubscriptionChange.objects.get().status == "applied"


def test_an_upgrade_that_nobody_pays_is_given_up(buyer: Buyer, basic: Subscription) -> None:
    """Refused by the bank: a day later the change is gone, and the subscription is what it was."""
    _use_card(buyer, basic, "pm_card_chargeCustomerFail")
    assert patch(basic, plan_id="pro-monthly").json()["pending_change"]["status"] == "waiting"

    pass_time(buyer, clock.now() + timedelta(hours=24))

    assert SubscriptionChange.objects.get().status == "failed"
    assert plan_of(basic) == ("basic-monthly", 1)
    assert not buyer.may("reports").allowed
    assert basic.status == "active"


def _use_card(buyer: Buyer, subscription: Subscription, card: str) -> None:
    method = buyer.stripe.post(f"payment_methods/{card}/attach", customer=str(buyer.customer.stripe_id))["id"]
    buyer.stripe.post(f"subscriptions/{subscription.stripe_id}", default_payment_method=method)
    buyer.stripe.deliver()


def test_a_downgrade_keeps_what_is_paid_and_begins_with_the_next_period(buyer: Buyer, pro: Subscription) -> None:
    """SU-05: nothing is charged or given back now; the renewal is cheaper, and access follows then."""
    end = pro.current_period_end
    shown = preview(pro, plan_id="basic-monthly").json()
    assert (shown["when"], shown["amount"], shown["next_amount"]) == ("period_end", 0, 400)
    assert shown["access"]["lost"] == ["reports"]

    answer = patch(pro, preview_id=shown["id"]).json()

    assert (answer["plan_id"], answer["pending_change"]["status"]) == ("pro-monthly", "scheduled")
    buyer.stripe.deliver(times=2, shuffled=4)
    assert plan_of(pro) == ("pro-monthly", 1)
    assert buyer.may("reports").allowed
    pass_time(buyer, end + 2 * HOUR)
    assert plan_of(pro) == ("basic-monthly", 1)
    assert charged() == [800, 400]
    assert not buyer.may("reports", at=end + 3 * HOUR).allowed
    assert buyer.may("export", at=end + 3 * HOUR).allowed
    assert SubscriptionChange.objects.get().status == "applied"


def test_a_downgrade_is_dropped_by_asking_for_what_he_has(buyer: Buyer, pro: Subscription) -> None:
    """The renewal is what it was."""
    end = pro.current_period_end
    patch(pro, plan_id="basic-monthly")
    assert patch(pro, plan_id="basic-monthly").json()["pending_change"]["status"] == "scheduled"

    answer = patch(pro, plan_id="pro-monthly").json()

    assert (answer["plan_id"], answer["pending_change"]) == ("pro-monthly", None)
    assert SubscriptionChange.objects.get().status == "dropped"
    pass_time(buyer, end + 2 * HOUR)
    assert charged() == [800, 800]
    assert plan_of(pro) == ("pro-monthly", 1)


def test_to_a_cheaper_plan_of_another_interval_the_paid_time_is_bridged(buyer: Buyer, pro: Subscription) -> None:
    """A year for less a month: it begins, and is charged, when the paid month is over."""
    end = pro.current_period_end

    answer = patch(pro, plan_id="family-yearly").json()

    assert (answer["status"], answer["plan_id"], answer["trial_end"]) == ("active", "pro-monthly", None)
    assert answer["pending_change"]["status"] == "scheduled"
    assert charged() == [800]
    pass_time(buyer, end + 2 * HOUR)
    assert plan_of(pro) == ("family-yearly", 1)
    assert len(charged()) == 2
    assert pro.current_period_end - end > timedelta(days=364)
    assert "subscription.trialing" not in buyer.history("subscription")


def test_a_bridge_that_is_given_up_gives_nothing_more_for_nothing(buyer: Buyer, pro: Subscription) -> None:
    """Stripe charges nothing for a change in a trial: until the paid time is over more begins with the next period."""
    end = pro.current_period_end
    patch(pro, plan_id="family-yearly")
    assert patch(pro, plan_id="pro-monthly").json()["pending_change"] is None
    shown = preview(pro, quantity=5).json()
    assert (shown["when"], shown["amount"], shown["next_amount"]) == ("period_end", 0, 5 * 800)

    answer = patch(pro, preview_id=shown["id"]).json()

    assert (answer["status"], answer["quantity"], answer["pending_change"]["status"]) == ("active", 1, "scheduled")
    assert charged() == [800]
    pass_time(buyer, end + 2 * HOUR)
    assert plan_of(pro) == ("pro-monthly", 5)
    assert charged() == [800, 5 * 800]
    assert patch(pro, quantity=6).json()["quantity"] == 6
    assert len(charged()) == 3


def test_a_bridge_is_nobody_s_trial(buyer: Buyer, pro: Subscription) -> None:
    """Whoever bridges what he has paid for has not taken his trial."""
    patch(pro, plan_id="family-yearly")

    buyer.stripe.deliver()

    assert not TrialUse.objects.exists()


def test_a_quantity_is_a_price_like_another(buyer: Buyer, basic: Subscription) -> None:
    """PL-11, SU-05: more now, less later, at the price that he has."""
    assert patch(basic, quantity=3).json()["quantity"] == 3
    assert sum(charged()) > 400
    answer = patch(basic, quantity=2).json()
    assert (answer["quantity"], answer["pending_change"]["quantity"]) == (3, 2)
    pass_time(buyer, basic.current_period_end + 2 * HOUR)
    assert plan_of(basic) == ("basic-monthly", 2)
    assert charged()[-1] == 800


def test_items_beside_the_plan_come_and_go(buyer: Buyer, basic: Subscription) -> None:
    """PL-11: an item is added now, and taken away with the period."""
    added = patch(basic, items=[{"plan_id": "pro-monthly"}]).json()
    assert [item["plan_id"] for item in added["items"]] == ["basic-monthly", "pro-monthly"]
    assert buyer.may("reports").allowed

    patch(basic, items=[])

    assert buyer.may("reports").allowed
    end = basic.current_period_end
    pass_time(buyer, end + 2 * HOUR)
    shown = api().get(f"{PATH}/{basic.pk}").json()
    assert [item["plan_id"] for item in shown["items"]] == ["basic-monthly"]
    assert not buyer.may("reports", at=end + 3 * HOUR).allowed


def test_who_pays_keeps_his_price_and_gets_the_new_plan_at_that_of_his_country(
    buyer: Buyer, basic: Subscription
) -> None:
    """PZ-09: India's price for the new plan, whatever the request says of countries."""
    assert patch(basic, plan_id="pro-monthly").json()["items"][0]["amount"] == 800
    assert patch(basic, plan_id="pro-monthly", country_code="ET").status_code == 400


def test_what_moved_since_it_was_shown_is_not_charged(buyer: Buyer, basic: Subscription) -> None:
    """409 price_moved: the buyer sees the new amount first."""
    shown = preview(basic, plan_id="pro-monthly").json()
    buyer.stripe.post("invoiceitems", customer=basic.customer.stripe_id, amount=500, currency="usd")

    answer = patch(basic, preview_id=shown["id"])

    assert (answer.status_code, answer.json()["code"]) == (409, "price_moved")
    assert charged() == [400]
    assert patch(basic, plan_id="pro-monthly", expected_amount=1).json()["code"] == "price_moved"


def test_a_preview_lasts_fifteen_minutes_and_one_state(buyer: Buyer, basic: Subscription) -> None:
    """What was shown for another state of the subscription is not applied to this one."""
    shown = [preview(basic, plan_id="pro-monthly", key=f"k-{n}").json()["id"] for n in (1, 1, 2)]
    assert shown[0] == shown[1]
    SubscriptionChange.objects.filter(pk=shown[2]).update(expires_at=clock.now())
    assert patch(basic, preview_id=shown[2]).json()["code"] == "preview_gone"
    patch(basic, quantity=2)

    assert patch(basic, preview_id=shown[0]).json()["code"] in ("preview_gone", "price_moved")


@pytest.mark.parametrize(
    ("wanted", "status", "code"),
    [
        ({}, 400, "invalid_request"),
        ({"plan_id": "basic-monthly"}, 409, "nothing_changes"),
        ({"plan_id": "premium-plan"}, 400, "plan_not_recurring"),
        ({"plan_id": "no-such-plan"}, 404, "plan_not_found"),
        ({"quantity": 0}, 400, "invalid_request"),
        ({"items": [{"plan_id": "family-yearly"}]}, 400, "items_differ"),
    ],
)
def test_what_cannot_be_is_not_previewed(
    buyer: Buyer, basic: Subscription, wanted: dict[str, Any], status: int, code: str
) -> None:
    answer = preview(basic, **wanted)

    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize("fault", ["500", "drop_reply"])
@pytest.mark.parametrize("later", [LATER, timedelta(hours=25)])
def test_a_change_without_an_answer_is_made_once(
    buyer: Buyer, basic: Subscription, fault: str, later: timedelta
) -> None:
    """503; then the janitor finds out, and nobody is charged twice."""
    path = f"^/v1/subscriptions/{basic.stripe_id}$"
    buyer.stripe.control("faults", path=path, method="POST", fault=fault, times=99)
    answer = patch(basic, plan_id="pro-monthly")
    assert (answer.status_code, answer.json()["code"]) == (503, "stripe_unknown")
    assert SubscriptionChange.objects.get().status == "asked"
    buyer.stripe.http.delete("/_sandbox/faults")

    janitor.settle_unknown(at=clock.now() + later)
    buyer.stripe.deliver()

    done = fault == "drop_reply" or later == LATER
    assert SubscriptionChange.objects.get().status == ("applied" if done else "failed")
    assert plan_of(basic) == (("pro-monthly" if done else "basic-monthly"), 1)
    assert len(charged()) == (2 if done else 1)


def test_sixteen_who_apply_one_preview_charge_it_once(buyer: Buyer, basic: Subscription) -> None:
    """The same change, at the same time."""
    shown = preview(basic, plan_id="pro-monthly").json()

    answers = at_once(lambda: patch(basic, preview_id=shown["id"]).status_code)

    assert answers[200] >= 1
    assert set(answers) <= {200, 409}
    assert charged() == [400, shown["amount"]]


def test_two_changes_at_once_make_one(buyer: Buyer, basic: Subscription) -> None:
    """Different changes: one is made, the others stand on what is no more."""
    ids = [preview(basic, quantity=quantity).json()["id"] for quantity in range(2, 10)]
    waiting = iter(ids)

    answers = at_once(lambda: patch(basic, preview_id=next(waiting)).status_code, threads=8)

    assert answers == {200: 1, 409: 7}
    assert len(charged()) == 2
    assert SubscriptionChange.objects.filter(status="applied").count() == 1


def at_once(ask: Any, threads: int = 16) -> Counter[int]:
    gate = threading.Barrier(threads)

    def one(_number: int) -> int:
        gate.wait()
        try:
            return int(ask())
        finally:
            connection.close()

    with ThreadPoolExecutor(threads) as pool:
        return Counter(pool.map(one, range(threads)))


def test_a_change_made_in_the_dashboard_is_followed(buyer: Buyer, basic: Subscription) -> None:
    """The money is Stripe's truth: a price of ours names its plan; one that is not ours is a finding."""
    preview(basic, plan_id="pro-monthly")
    price = SubscriptionChange.objects.get().params["items"][0]["price"]
    item = basic.items.get().stripe_id

    buyer.stripe.post(
        f"subscriptions/{basic.stripe_id}", **{"items[0][id]": item, "items[0][price]": price, "items[0][quantity]": 2}
    )
    buyer.stripe.deliver()

    assert plan_of(basic) == ("pro-monthly", 2)
    assert buyer.may("reports").allowed


def test_an_end_forgets_what_was_to_come(buyer: Buyer, pro: Subscription) -> None:
    """Cancelled before the next period: the pending change goes with it."""
    patch(pro, plan_id="basic-monthly")

    assert api().delete(f"{PATH}/{pro.pk}?mode=immediate").json()["status"] == "canceled"

    assert SubscriptionChange.objects.get().status == "dropped"
    assert plan_of(pro) == ("pro-monthly", 1)


def test_a_stale_look_does_not_drop_what_was_just_scheduled(buyer: Buyer, pro: Subscription) -> None:
    """A look that fetched before the change and writes after it."""
    found = list(Gathering().gather(pro.stripe_id))
    target = Target(plan_id="basic-monthly")
    changing.change(pro, target, asking=Asking.of("user:anna", None, {}))
    began = SubscriptionChange.objects.get().status_at - timedelta(microseconds=1)

    sync.whole(sync._settle)(found, began)

    assert SubscriptionChange.objects.get().status == "scheduled"
    assert plan_of(pro) == ("pro-monthly", 1)


def test_staff_see_items_and_the_change_that_waits(buyer: Buyer, pro: Subscription) -> None:
    """AD-01: the page of a subscription, and looking again at Stripe."""
    patch(pro, plan_id="basic-monthly")
    client = Client()
    log_in(client, get_user_model().objects.get_or_create(username="root", is_staff=True, is_superuser=True)[0])

    page = client.get(reverse("admin:billing_subscription_change", args=[pro.pk]))
    looked = client.post(
        reverse("admin:billing_subscription_changelist"),
        {"action": "look_again", "_selected_action": str(pro.pk)},
        follow=True,
    )

    assert page.status_code == 200
    assert b"scheduled" in page.content
    assert b"1 looked at." in looked.content
