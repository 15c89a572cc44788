"""Random histories: whatever buyers, staff, banks and time do, and however Stripe's news arrive, our state is Stripe's.

HISTORIES says how many are told (2,000 of them: `HISTORIES=2000 ./farebox test tests/billing/test_histories.py`), and
HISTORIES_SEED which.
"""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from datetime import timedelta
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from billing import gaps, janitor, reconcile, sync
from billing.at_stripe.lists import Window
from billing.models import Customer, Payment, Subscription, WebhookEvent
from events import clock
from events.models import Event
from tests.api import api
from tests.billing.stripe_truth import differences
from tests.books import empty, require_whole
from tests.buyer import Buyer
from tests.shown import Shown
from tests.stripe_side import StripeSide, work_off

HISTORIES = int(os.environ.get("HISTORIES", "12"))
SEED = int(os.environ.get("HISTORIES_SEED", "4"))
STEPS = 12
V1 = "/api/v1"
USERS = ("anna", "ben")
GOOD, DECLINED, ASKS, LATER_FAILS = "4242424242424242", "4000000000000002", "4000002760003184", "4000000000005126"
METHODS = ("pm_card_visa", "pm_card_mastercard", "pm_card_chargeCustomerFail", "pm_card_authenticationRequired")
PLANS = ("basic-monthly", "pro-monthly", "family-yearly")
# What a door may answer: done, or a clear no, ours or Stripe's (502). An unknown result (503) is only for faults.
ANSWERS = {200, 201, 202, 204, 400, 402, 403, 404, 409, 422, 502}
who = st.sampled_from(USERS)
nth = st.integers(0, 5)
often = st.sampled_from([True, True, True, False])


class Histories(RuleBasedStateMachine):
    """Two buyers, staff, their banks, Stripe's clock and a bad line, in any order."""

    stripe: StripeSide
    counted: Counter[str]

    def __init__(self) -> None:
        super().__init__()
        empty()
        self.stripe.reset()
        self.late: list[Any] = []
        self.began = clock.now()
        self.answers_get_lost = False
        self.counted["histories"] += 1

    @initialize(user=who, plan=st.sampled_from([*PLANS, "premium-plan"]), method=st.sampled_from(METHODS))
    def something_is_bought(self, user: str, plan: str, method: str) -> None:
        if plan == "premium-plan":
            self.buy_on_the_page(user, plan, GOOD)
        else:
            self.subscribe(user, plan, method, None)

    # Buyers.

    @rule(user=who, plan=st.sampled_from([*PLANS, "premium-plan"]), card=st.sampled_from([GOOD, GOOD, DECLINED, ASKS]))
    def buy_on_the_page(self, user: str, plan: str, card: str) -> None:
        answer = self.ask(user, "POST", "checkout-sessions", **_order(plan))
        if answer.status_code == 201:
            self.stripe.pay(answer.json()["stripe_id"], card)

    @rule(user=who, plan=st.sampled_from(PLANS), method=st.sampled_from(METHODS), trial=st.sampled_from([None, 0, 3]))
    def subscribe(self, user: str, plan: str, method: str, trial: int | None) -> None:
        body = {"plan_id": plan, "country_code": "IN", "payment_method": method}
        self.ask(user, "POST", "subscriptions", **body, **({} if trial is None else {"trial_days": trial}))

    @rule(user=who, method=st.sampled_from([*METHODS, "pm_card_visa_chargeDeclined"]), amount=st.integers(100, 5000))
    def pay(self, user: str, method: str, amount: int) -> None:
        self.ask(
            "shop", "POST", "payments", "service", user_id=user, amount=amount, currency="USD", payment_method=method
        )

    @rule(success=often)
    def answer_the_bank(self, success: bool) -> None:
        for intent in self.stripe.get("payment_intents", limit=20)["data"]:
            if intent["status"] == "requires_action":
                self.stripe.control(f"3ds/{intent['id']}", success=success)

    @rule(nth=nth, method=st.sampled_from(METHODS), door=st.booleans())
    def change_the_card(self, nth: int, method: str, door: bool) -> None:
        if (bought := self.a_subscription(nth)) is None:
            return
        if door:
            user = bought.customer.user_id
            made = self.ask(user, "POST", "payment-methods", payment_method_id=method)
            if made.status_code == 201:
                self.ask(user, "POST", f"payment-methods/{made.json()['id']}/default")
            return
        there = self.stripe.get(f"subscriptions/{bought.stripe_id}")
        attached = self.stripe.http.post(f"/v1/payment_methods/{method}/attach", data={"customer": there["customer"]})
        if attached.status_code == 200:
            card = attached.json()["id"]
            self.at_stripe(f"subscriptions/{bought.stripe_id}", default_payment_method=card)

    @rule(nth=nth, mode=st.sampled_from(["period_end", "immediate"]), dashboard=st.booleans())
    def cancel(self, nth: int, mode: str, dashboard: bool) -> None:
        if (bought := self.a_subscription(nth)) is None:
            return
        if not dashboard:
            self.ask(bought.customer.user_id, "DELETE", f"subscriptions/{bought.pk}?mode={mode}")
        elif mode == "immediate":
            self.stripe.http.delete(f"/v1/subscriptions/{bought.stripe_id}")
        else:
            self.at_stripe(f"subscriptions/{bought.stripe_id}", cancel_at_period_end="true")

    @rule(nth=nth, step=st.sampled_from(["reactivate", "pause", "resume"]))
    def step(self, nth: int, step: str) -> None:
        if bought := self.a_subscription(nth):
            self.ask(bought.customer.user_id, "POST", f"subscriptions/{bought.pk}/{step}")

    @rule(nth=nth, plan=st.sampled_from([*PLANS, None]), quantity=st.integers(1, 3))
    def change(self, nth: int, plan: str | None, quantity: int) -> None:
        if bought := self.a_subscription(nth):
            wanted = {"plan_id": plan} if plan else {"quantity": quantity}
            self.ask(bought.customer.user_id, "PATCH", f"subscriptions/{bought.pk}", **wanted)

    # Staff, banks and time.

    @rule(nth=nth, part=st.sampled_from([1, 1, 2, 3]), dashboard=st.booleans())
    def refund(self, nth: int, part: int, dashboard: bool) -> None:
        if (paid := self.a_payment(nth)) is None:
            return
        amount = max(1, paid.captured_minor // part)
        if dashboard:
            self.at_stripe("refunds", payment_intent=paid.stripe_id, amount=amount)
        else:
            self.ask("root", "POST", "refunds", "admin", payment_id=str(paid.pk), amount=amount)

    @rule(nth=nth)
    def a_refund_comes_back(self, nth: int) -> None:
        if made := self.stripe.get("refunds", limit=10)["data"]:
            self.stripe.http.post(f"/_sandbox/refunds/{made[nth % len(made)]['id']}/fail", json={})

    @rule(nth=nth)
    def a_bank_disputes(self, nth: int) -> None:
        if paid := self.a_payment(nth):
            self.stripe.http.post("/_sandbox/disputes", json={"charge": paid.stripe_charge_id})

    @rule(nth=nth, won=st.booleans())
    def a_bank_decides(self, nth: int, won: bool) -> None:
        if made := self.stripe.get("disputes", limit=10)["data"]:
            self.stripe.http.post(f"/_sandbox/disputes/{made[nth % len(made)]['id']}/close", json={"won": won})

    @rule(user=who, days=st.sampled_from([1, 4, 8, 15, 32, 32]))
    def time_passes(self, user: str, days: int) -> None:
        customer = Customer.objects.filter(user_id=user).exclude(stripe_id=None).first()
        if customer:
            self.stripe.control("clock", customer=customer.stripe_id, advance=days * 86400 + 7200)

    # The line between Stripe and us.

    @rule(times=st.integers(1, 2), seed=st.none() | st.integers(0, 99), work=often)
    def news_arrive(self, times: int, seed: int | None, work: bool) -> None:
        self.hand_over(self.fresh() * times, seed)
        if work:
            work_off()

    @rule(seed=st.integers(0, 99))
    def news_are_lost_or_late(self, seed: int) -> None:
        """Some never come, some come when everything else is over."""
        for event in self.fresh():
            fate = random.Random(f"{seed} {event['type']}").choice(["late", "lost", "now"])
            self.counted[fate] += 1
            if fate == "late":
                self.late.append(event)
            elif fate == "now":
                self.hand_over([event], None)

    @rule(nth=nth)
    def somebody_looks(self, nth: int) -> None:
        if bought := self.a_subscription(nth):
            sync.try_look(bought.stripe_id)
        if paid := self.a_payment(nth):
            sync.try_look(str(paid.stripe_id))

    @rule(fault=st.sampled_from(["drop_reply", "drop_before"]), what=st.sampled_from(["refunds", "payment_intents"]))
    def an_answer_is_lost(self, fault: str, what: str) -> None:
        """Of the next request of this kind, and of its repetition."""
        self.answers_get_lost = True
        self.stripe.control("faults", path=f"^/v1/{what}", method="POST", fault=fault, times=2)

    def teardown(self) -> None:
        """Let the dust settle, then hold all of it against Stripe."""
        self.stripe.http.delete("/_sandbox/faults")
        self.hand_over(self.late + self.fresh(), 7)
        gaps.fill()
        work_off()
        janitor.settle_unknown(at=clock.now() + timedelta(minutes=2))
        gaps.fill()
        work_off()
        left = reconcile.run(Window(self.began - timedelta(minutes=1))).left
        assert not differences(self.stripe, list(USERS))
        assert not left
        require_whole()
        self.told_again()
        self.count()

    def told_again(self) -> None:
        """Hear all of it once more: it changes nothing and tells nothing."""
        before = Event.objects.count()
        for stripe_id in set(WebhookEvent.objects.exclude(looks_at="").values_list("looks_at", flat=True)[:6]):
            sync.look(stripe_id)
        again = list(Event.objects.order_by("pk").values_list("type", flat=True)[before:])
        assert not again

    def count(self) -> None:
        """Remember what these histories were about."""
        self.counted["events of Stripe"] += WebhookEvent.objects.count()
        for model in (Payment, Subscription):
            self.counted[f"{model._meta.model_name}s"] += model.objects.count()
            for status in model.objects.values_list("status", flat=True):
                self.counted[f"{model._meta.model_name} {status}"] += 1

    def ask(self, user: str, method: str, path: str, role: str = "user", **body: Any) -> Any:
        answer = api(user, role).generic(method, f"{V1}/{path}", json.dumps(body), content_type="application/json")
        assert answer.status_code in (ANSWERS | {503} if self.answers_get_lost else ANSWERS), (
            method,
            path,
            body,
            answer.content,
        )
        self.counted[f"{answer.status_code}"] += 1
        return answer

    def at_stripe(self, path: str, **asked: Any) -> None:
        """Ask Stripe as its dashboard would; it may refuse."""
        self.stripe.http.post(f"/v1/{path}", data=asked)

    def fresh(self) -> list[Any]:
        return self.stripe.new_events()

    def hand_over(self, events: list[Any], seed: int | None) -> None:
        if seed is not None:
            random.Random(seed).shuffle(events)
        for event in events:
            assert self.stripe.send(json.dumps(event).encode()).status_code == 200

    def a_subscription(self, nth: int) -> Subscription | None:
        rows = list(Subscription.objects.select_related("customer").order_by("-pk")[:4])
        return rows[nth % len(rows)] if rows else None

    def a_payment(self, nth: int) -> Payment | None:
        rows = list(Payment.objects.filter(captured_minor__gt=0).order_by("-pk")[:4])
        return rows[nth % len(rows)] if rows else None


def _order(plan: str) -> dict[str, str]:
    pages = {"success_url": "http://localhost:3000/done", "cancel_url": "http://localhost:3000/back"}
    return {"plan_id": plan, "country_code": "IN", **pages}


def test_whatever_happens_our_state_is_stripes(buyer: Buyer, shown: Shown) -> None:
    """Domain rules, invariants and states, after any history: nothing is lost, doubled or stuck."""
    counted: Counter[str] = Counter()
    machine = type("History", (Histories,), {"stripe": buyer.stripe, "counted": counted})
    settings = hypothesis.settings(
        max_examples=HISTORIES,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    run_state_machine_as_test(hypothesis.seed(SEED)(machine), settings=settings)
    told = ", ".join(f"{number} {name}" for name, number in counted.most_common())
    shown(f"{HISTORIES} random histories, each settled to Stripe's state: {told}")
