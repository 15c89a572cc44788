"""A buyer's bank takes money back, and may give it again: the books follow, and access by the policy."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from billing import disputes, gateway, refunds, rules, sync
from billing.errors import RefundTooLarge
from billing.idempotency import Asking
from billing.models import Dispute, Finding, Payment
from billing.policy import Action, Cause, Kind, Rule
from billing.transactions import whole
from entitlements import grants
from entitlements.grants import Source
from entitlements.models import SourceType
from events import clock
from tests.api import api
from tests.buyer import Buyer


def dispute(buyer: Buyer, payment: Payment | None = None, reason: str = "fraudulent") -> Dispute:
    """Let the bank of a buyer ask for a payment back, and the events arrive."""
    charge = (payment or buyer.payment).stripe_charge_id
    made = buyer.stripe.control("disputes", charge=charge, reason=reason)
    buyer.stripe.deliver()
    return Dispute.objects.get(stripe_id=made["id"])


def close(buyer: Buyer, dispute: Dispute, *, won: bool, times: int = 1) -> Dispute:
    """Let the bank decide."""
    buyer.stripe.control(f"disputes/{dispute.stripe_id}/close", won=won)
    buyer.stripe.deliver(times=times, shuffled=1)
    dispute.refresh_from_db()
    return dispute


def suspend_when_disputed() -> None:
    """Let an open dispute hold back what a one-time purchase gave."""
    rules.change(Kind.ONE_TIME, Cause.DISPUTE_OPENED, Rule(Action.SUSPEND), hits=0, at=clock.now())


def test_a_dispute_is_seen_and_access_stays_by_default(buyer: Buyer) -> None:
    """WH: charge.dispute.created; domain rule 1.5: opened keeps."""
    buyer.buy()

    seen = dispute(buyer)

    assert (seen.status, seen.amount_minor, seen.reason) == ("needs_response", 1200, "fraudulent")
    assert seen.evidence_due_at
    assert buyer.payment.disputed
    assert buyer.payment.lost_minor == 0
    assert buyer.may().allowed
    assert buyer.history("dispute") == ["dispute.opened"]


def test_a_lost_dispute_takes_money_and_access(buyer: Buyer) -> None:
    """The money counts as lost, not as refunded; nothing is left to give back."""
    buyer.buy()

    lost = close(buyer, dispute(buyer), won=False, times=3)

    assert lost.status == "lost"
    assert lost.closed_at
    assert (buyer.payment.lost_minor, buyer.payment.refunded_minor, buyer.payment.left.minor) == (1200, 0, 0)
    assert buyer.may().reason_code == "revoked"
    assert buyer.history("dispute") == ["dispute.opened", "dispute.lost"]
    with pytest.raises(RefundTooLarge):
        refunds.create(buyer.payment, 1, reason="", asking=Asking.of("admin:root", None, {}))


def test_a_won_dispute_restores_what_it_took(buyer: Buyer) -> None:
    """Held while it is open, given again when it is won."""
    buyer.buy()
    suspend_when_disputed()
    held = dispute(buyer)
    assert buyer.may().reason_code == "suspended_dispute"

    close(buyer, held, won=True)

    assert buyer.may().allowed
    assert not buyer.payment.disputed
    assert buyer.history("dispute") == ["dispute.opened", "dispute.won"]


@pytest.mark.parametrize("times", [1, 2])
def test_a_lost_dispute_that_is_won_after_all_waits_for_a_person(buyer: Buyer, times: int) -> None:
    """The money is back, and what was revoked stays revoked: a finding says so, once."""
    buyer.buy()
    lost = close(buyer, dispute(buyer), won=False)
    found = gateway.fetch(lost.stripe_id)
    assert found

    for _ in range(times):
        whole(disputes.settle)({**found, "status": "won"}, looked_at=clock.now())

    assert (buyer.payment.lost_minor, buyer.may().reason_code) == (0, "revoked")
    finding = Finding.objects.get()
    assert (finding.kind, finding.object) == ("status", f"dispute:{lost.pk}")
    assert buyer.history("dispute") == ["dispute.opened", "dispute.lost", "dispute.won"]


def test_a_dispute_won_after_all_needs_nobody_where_access_comes_back(buyer: Buyer) -> None:
    """A subscription is held only, so the same look gives it again."""
    subscription = buyer.subscribe()
    lost = close(buyer, dispute(buyer, subscription.payments.get()), won=False)
    assert buyer.may().reason_code == "suspended_chargeback"

    whole(disputes.settle)({**(gateway.fetch(lost.stripe_id) or {}), "status": "won"}, looked_at=clock.now())

    assert buyer.may().allowed
    assert not Finding.objects.exists()


def test_what_staff_hold_back_no_payment_or_dispute_gives_again(buyer: Buyer) -> None:
    """A renewal, and a dispute that comes and goes: the hold of staff outlasts them."""
    subscription = buyer.subscribe()
    source = Source(SourceType.SUBSCRIPTION, str(subscription.pk))
    whole(grants.suspend)(source, reason="staff", at=clock.now())

    close(buyer, dispute(buyer, subscription.payments.get()), won=False)
    buyer.stripe.advance(str(buyer.customer.stripe_id), to=int(subscription.current_period_end.timestamp()) + 7200)
    buyer.stripe.deliver()

    assert buyer.may(at=subscription.current_period_end).reason_code == "suspended_staff"
    whole(grants.resume)(source, at=clock.now())
    assert buyer.may(at=subscription.current_period_end).allowed


def test_a_refund_in_between_is_not_restored(buyer: Buyer) -> None:
    """A won dispute gives back what the dispute took, and nothing that a refund took."""
    buyer.buy()
    suspend_when_disputed()
    rules.change(Kind.ONE_TIME, Cause.PARTIAL_REFUND, Rule(Action.SUSPEND), hits=0, at=clock.now())
    refunds.create(buyer.payment, 100, reason="", asking=Asking.of("admin:root", None, {}))
    buyer.stripe.deliver()

    close(buyer, dispute(buyer), won=True)

    assert buyer.may().reason_code == "suspended_refund"


def test_the_dispute_and_its_end_at_once_and_out_of_order(buyer: Buyer) -> None:
    """The events of three steps, shuffled and doubled, end in one state with one history."""
    buyer.buy()
    made = buyer.stripe.control("disputes", charge=buyer.payment.stripe_charge_id)
    buyer.stripe.control(f"disputes/{made['id']}/close", won=False)

    buyer.stripe.deliver(times=2, shuffled=7)

    assert Dispute.objects.get().status == "lost"
    assert buyer.history("dispute") == ["dispute.opened", "dispute.lost"]


def test_looks_at_the_same_time_write_once(buyer: Buyer) -> None:
    """Sixteen threads look at the same payment."""
    buyer.buy()
    made = buyer.stripe.control("disputes", charge=buyer.payment.stripe_charge_id)
    buyer.stripe.control(f"disputes/{made['id']}/close", won=False)
    intent = str(buyer.payment.stripe_id)

    def one(_: int) -> None:
        sync.try_look(intent)
        connection.close()

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(one, range(16)))

    assert buyer.history("dispute") == ["dispute.opened", "dispute.lost"]
    assert buyer.payment.lost_minor == 1200


def test_an_inquiry_takes_nothing(buyer: Buyer) -> None:
    """An inquiry moves no money; closed, it is over."""
    buyer.buy()
    suspend_when_disputed()

    asked = dispute(buyer, reason="general")

    assert asked.status == "warning_needs_response"
    assert buyer.may().allowed
    assert close(buyer, asked, won=True).status == "warning_closed"
    assert not buyer.payment.disputed


def test_a_disputed_period_of_a_subscription_comes_back_with_the_next(buyer: Buyer) -> None:
    """SU-07: a lost dispute holds the period that it paid; the subscription itself goes on."""
    subscription = buyer.subscribe()

    close(buyer, dispute(buyer, subscription.payments.get()), won=False)
    assert buyer.may().reason_code == "suspended_chargeback"
    end = int(subscription.current_period_end.timestamp())
    buyer.stripe.advance(str(buyer.customer.stripe_id), to=end + 7200)
    buyer.stripe.deliver()

    assert buyer.may(at=subscription.current_period_end).allowed


def test_another_purchase_keeps_its_own(buyer: Buyer) -> None:
    """Two sources: each loses its own grant alone."""
    buyer.buy()
    first = buyer.payment
    buyer.buy("premium-plan", "DE")

    close(buyer, dispute(buyer, first), won=False)

    assert buyer.may().allowed


def test_more_than_was_captured_is_never_lost_and_refunded(buyer: Buyer) -> None:
    """0 <= refunded + lost <= captured, in the database."""
    buyer.buy()
    rows = Payment.objects.filter(pk=buyer.payment.pk)

    with pytest.raises(IntegrityError), transaction.atomic():
        rows.update(refunded_minor=1000, lost_minor=201)
    with pytest.raises(IntegrityError), transaction.atomic():
        rows.update(lost_minor=-1)


def test_a_dispute_of_somebody_else_is_ignored(buyer: Buyer) -> None:
    """Other software sells on the same account."""
    made = buyer.stripe.post(
        "payment_intents", amount=500, currency="usd", payment_method="pm_card_createDispute", confirm="true",
        return_url="http://localhost/x",
    )  # fmt: skip
    assert made["status"] == "succeeded"

    buyer.stripe.deliver()

    assert not Dispute.objects.exists()


def test_disputes_are_read_through_the_api(buyer: Buyer) -> None:
    """GET disputes with filters, one of them, those of a payment; the payment says that it is disputed."""
    buyer.buy()
    seen = dispute(buyer)
    staff, anna, ben = api("root", "admin"), api("anna"), api("ben")

    def ask(client: Any, path: str) -> Any:
        return client.get(f"/api/v1/{path}")

    assert [one["id"] for one in ask(staff, "disputes?status=needs_response").json()["data"]] == [str(seen.pk)]
    assert ask(staff, f"disputes?payment_id={seen.payment_id}&status=lost").json()["data"] == []
    assert ask(staff, f"disputes/{seen.pk}").json()["amount_decimal"] == "12.00"
    assert ask(anna, f"payments/{seen.payment_id}/disputes").json()["data"][0]["status"] == "needs_response"
    assert ask(ben, f"payments/{seen.payment_id}/disputes").status_code == 404
    assert ask(anna, "disputes").status_code == 403
    assert ask(anna, f"payments/{seen.payment_id}").json()["disputed"] is True
