"""What staff and services gave is theirs: nothing that happens to money touches it (EN-05)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from billing import reconcile, refunds, rules, subscriptions, sync
from billing.at_stripe.lists import Window
from billing.idempotency import Asking
from billing.policy import Action, Cause, Kind, Rule
from entitlements import amendments, awards
from entitlements.awards import Gift
from entitlements.models import Entitlement
from events import clock
from tests.buyer import Buyer

NOBODY = Asking("admin:root", None, "")


def given() -> list[dict[str, Any]]:
    return list(Entitlement.objects.filter(source_type="promotion").order_by("id").values())


def test_refunds_policy_and_every_look_at_stripe_leave_a_gift_alone(buyer: Buyer) -> None:
    buyer.buy()
    awards.give("anna", Gift(plan_id="premium-plan", source_type="promotion"), reason="asked for", asking=NOBODY)
    before = given()

    refunds.create(buyer.payment, None, reason="duplicate", asking=NOBODY)
    buyer.stripe.deliver()
    rules.change(Kind.ONE_TIME, Cause.FULL_REFUND, Rule(Action.SUSPEND), hits=1, at=clock.now())
    rules.apply(at=clock.now())
    sync.look(str(buyer.payment.stripe_id))
    report = reconcile.run(Window(clock.now() - timedelta(hours=1)))

    paid = Entitlement.objects.filter(source_type="one_time")
    assert {row.status for row in paid} == {"revoked"}
    assert len(before) == 6
    assert given() == before
    assert buyer.may("api_calls").allowed
    assert [row for row in report.differences if row.kind == "grant_without_cause"] == []


def test_a_subscription_that_ends_leaves_a_gift_and_what_staff_took_of_it_stays_taken(buyer: Buyer) -> None:
    subscription = buyer.subscribe()
    awards.give("anna", Gift(feature_code="export", source_type="promotion"), reason="asked for", asking=NOBODY)
    reports = Entitlement.objects.get(feature="reports")
    amendments.amend(reports, {"status": "revoked"}, reason="misuse")
    before = given()

    sync.look(str(subscription.stripe_id))
    during = [buyer.may(code).reason_code for code in ("reports", "storage_gb")]
    subscriptions.cancel(subscription, now=True)
    buyer.stripe.deliver()

    assert during == ["revoked", "within_limit"]
    assert [buyer.may(code).reason_code for code in ("reports", "storage_gb", "export")] == [
        "revoked",
        "canceled",
        "granted",
    ]
    assert given() == before
