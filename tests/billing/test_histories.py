"""Random histories: whatever buyers, staff, banks and time do, and however Stripe's news arrive, our state is Stripe's.

HISTORIES says how many are told, fifty by one test, so that all cores can share them; 2,000 of them:
`HISTORIES=2000 ./farebox test -n auto tests/billing/test_histories.py`. HISTORIES_SEED is the seed of the first fifty;
each next fifty have the next. With HISTORIES_SHRINK=1 one that fails is told again until no shorter one does.
"""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from typing import Any

import httpx
import hypothesis
import pytest
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
PHASES = [Phase.generate, *([Phase.shrink] if os.environ.get("HISTORIES_SHRINK") == "1" else [])]
STEPS = 12
BY_ONE_TEST = 50
V1 = "/api/v1"
USERS = ("anna", "ben")
GOOD, DECLINED, ASKS, LATER_FAILS = "4242424242424242", "4000000000000002", "4000002760003184", "4000000000005126"
METHODS = ("pm_card_visa", "pm_card_mastercard", "pm_card_chargeCustomerFail", "pm_card_authenticationRequired")
PLANS = ("basic-monthly", "pro-monthly", "family-yearly")
# What a door may answer: done, or a clear no, ours or Stripe's (502). An unknown result (503) is only for faults.
ANSWERS = {200, 201, 202, 204, 400, 402, 403, 404, 409, 422, 502}
# What the last chapter is about, so that each of these ends is common and none hides behind the happy ones.
ENDS = ("", "past_due", "unpaid", "failed", "paused", "without_card", "left", "refunded", "disputed", "lost")
# The look at one of these takes its invoice, its disputes and the rest along.
TOLD_AGAIN = ("cs_", "sub_", "pi_")
DAY = 86400
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
        self.end = ""
        self.counted["histories"] += 1

    @initialize(
        user=who,
        plan=st.sampled_from([*PLANS, "premium-plan"]),
        method=st.sampled_from(["pm_card_visa", *METHODS]),
        end=st.sampled_from(ENDS),
    )
    def something_is_bought(self, user: str, plan: str, method: str, end: str) -> None:
        self.end = end
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

    @rule(user=who, plan=st.sampled_from(PLANS))
    def try_without_a_card(self, user: str, plan: str) -> None:
        self.ask(user, "POST", "subscriptions", plan_id=plan, country_code="IN", trial_days=3)

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
        self.pays_with(bought, method)

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
            self.stripe.control("clock", customer=customer.stripe_id, advance=days * DAY + 7200)

    @rule(nth=nth, last=st.sampled_from(["past_due", "unpaid", "cancel"]), days=st.sampled_from([2, 6, 32]))
    def a_card_goes_bad(self, nth: int, last: str, days: int) -> None:
        """The renewal fails, and after some days each other try: what follows then is the account's setting."""
        if bought := self.a_subscription(nth):
            self.fails(bought, last, days)

    @rule(nth=nth, days=st.sampled_from([1, 32]))
    def pause_and_leave(self, nth: int, days: int) -> None:
        if bought := self.a_subscription(nth):
            self.leaves(bought, days)

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
        """Come to an end, let the dust settle, then hold all of it against Stripe."""
        self.stripe.http.delete("/_sandbox/faults")
        self.close()
        self.hand_over(self.late + self.fresh(), 7)
        gaps.fill()
        work_off()
        janitor.settle_unknown(at=clock.now() + timedelta(minutes=2))
        # What the janitor found out Stripe told of.
        if self.fresh():
            gaps.fill()
            work_off()
        left = reconcile.run(Window(self.began - timedelta(minutes=1))).left
        assert not differences(self.stripe, [*USERS, "cleo"])
        assert not left
        require_whole()
        self.told_again()
        self.count()

    def close(self) -> None:
        """Tell the last chapter, of somebody who has paid."""
        match self.end:
            case "past_due" | "unpaid" | "failed":
                days = 2 if self.end == "past_due" else 32
                self.fails(self.who_runs(), {"failed": "cancel"}.get(self.end, self.end), days)
            case "paused":
                self.leaves(self.who_runs(), 32)
            case "without_card":
                self.try_without_a_card("ben", PLANS[0])
                self.time_passes("ben", 4)
            case "left":
                self.ask("root", "DELETE", f"subscriptions/{self.who_runs().pk}?mode=immediate", "admin")
            case "refunded" | "disputed" | "lost":
                self.buy_on_the_page("anna", "premium-plan", GOOD)
                self.hand_over(self.fresh(), 7)
                work_off()
                if self.end == "refunded":
                    self.refund(0, 1, False)
                else:
                    self.a_bank_disputes(0)
                if self.end == "lost":
                    self.a_bank_decides(0, False)

    def who_runs(self) -> Subscription:
        """Give a subscription that is paid, the first of a newcomer when there is none."""
        self.hand_over(self.fresh(), 7)
        work_off()
        running = Subscription.objects.filter(status="active", paused_at=None, cancel_at=None).order_by("pk")
        if not running:
            self.subscribe("cleo", PLANS[0], METHODS[0], 0)
        return running.all()[0]

    def told_again(self) -> None:
        """Hear of the newest page, subscription and payment once more: it changes nothing and tells nothing."""
        before = Event.objects.count()
        heard = WebhookEvent.objects.order_by("pk").values_list("looks_at", flat=True)
        for stripe_id in {stripe_id[:3]: stripe_id for stripe_id in heard if stripe_id.startswith(TOLD_AGAIN)}.values():
            sync.look(stripe_id)
        again = list(Event.objects.order_by("pk").values_list("type", flat=True)[before:])
        assert not again

    def count(self) -> None:
        """Remember what these histories were about."""
        self.counted["events of Stripe"] += WebhookEvent.objects.count()
        for payment in Payment.objects.all():
            self.counted["payments"] += 1
            self.counted[f"payment {payment.shown_status}"] += 1
            self.counted["payment disputed"] += payment.disputed
            self.counted["payment lost"] += bool(payment.lost_minor)
        for subscription in Subscription.objects.all():
            self.counted["subscriptions"] += 1
            self.counted[f"subscription {subscription.status}"] += 1
            self.counted["subscription with a pause"] += subscription.paused_at is not None

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

    def pays_with(self, bought: Subscription, method: str) -> None:
        """Give a subscription another card in the dashboard."""
        there = self.stripe.get(f"subscriptions/{bought.stripe_id}")
        attached = self.stripe.http.post(f"/v1/payment_methods/{method}/attach", data={"customer": there["customer"]})
        if attached.status_code == 200:
            card = attached.json()["id"]
            self.at_stripe(f"subscriptions/{bought.stripe_id}", default_payment_method=card)

    def fails(self, bought: Subscription, last: str, days: int) -> None:
        self.stripe.control("settings", after_last_try=last)
        self.pays_with(bought, "pm_card_chargeCustomerFail")
        self.renew(bought, days)

    def leaves(self, bought: Subscription, days: int) -> None:
        self.ask(bought.customer.user_id, "POST", f"subscriptions/{bought.pk}/pause")
        self.renew(bought, days)

    def renew(self, bought: Subscription, days: int) -> None:
        """Let time go on to some days after the end of what is paid."""
        there = self.stripe.get(f"subscriptions/{bought.stripe_id}")
        ends = there["items"]["data"][0]["current_period_end"]
        self.stripe.http.post("/_sandbox/clock", json={"customer": there["customer"], "to": ends + days * DAY + 7200})

    def at_stripe(self, path: str, **asked: Any) -> None:
        """Ask Stripe as its dashboard would; it may refuse, or be on the line that was to break for us."""
        with suppress(httpx.RemoteProtocolError):
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


@pytest.mark.parametrize("seed", range(SEED, SEED - (-HISTORIES // BY_ONE_TEST)))
def test_whatever_happens_our_state_is_stripes(buyer: Buyer, shown: Shown, seed: int) -> None:
    """Domain rules, invariants and states, after any history: nothing is lost, doubled or stuck."""
    counted: Counter[str] = Counter()
    machine = type("History", (Histories,), {"stripe": buyer.stripe, "counted": counted})
    number = min(BY_ONE_TEST, HISTORIES - (seed - SEED) * BY_ONE_TEST)
    settings = hypothesis.settings(
        max_examples=number,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        phases=PHASES,
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    run_state_machine_as_test(hypothesis.seed(seed)(machine), settings=settings)
    told = ", ".join(f"{times} {name}" for name, times in counted.most_common())
    shown(f"{number} random histories, each settled to Stripe's state: {told}")
