"""What one member of staff may give back alone, what needs two, and what support sees of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import IntegrityError, connection

from billing import approvals, caps
from billing.errors import AlreadyDecided
from billing.idempotency import Asking
from billing.models import Payment, Refund, RefundApproval
from config.api.masking import MASK
from pricing.money import Money
from tests.api import api
from tests.buyer import Buyer

V1 = "/api/v1"
ALICE, ADA = "alice", "ada"


@pytest.fixture
def paid(buyer: Buyer, settings: LazySettings) -> Payment:
    """A payment of 12.00 USD, where one person gives back 5.00 at most."""
    settings.REFUND_CAPS = {"usd": 500}
    buyer.buy()
    return buyer.payment


def post(member: str, path: str, *, role: str = "admin", **body: Any) -> Any:
    return api(member, role).post(f"{V1}/{path}", body, content_type="application/json")


def give_back(role: str, payment: Payment, amount: int | None = None, **body: Any) -> Any:
    said = {"payment_id": str(payment.pk), "reason": "duplicate", "amount": amount, **body}
    return post(f"a-{role}", "refunds", role=role, **{name: value for name, value in said.items() if value})


@pytest.mark.parametrize("role", ["support", "admin"])
def test_staff_give_back_to_the_cap_and_no_more_in_parts(paid: Payment, role: str) -> None:
    """The cap holds for all that went back of a payment: two halves and one more minor unit are over it."""
    first, second, third = (give_back(role, paid, amount) for amount in (250, 250, 1))

    assert [first.status_code, second.status_code] == [201, 201]
    assert (third.status_code, third.json()["code"]) == (403, "refund_over_cap")
    assert third.json()["errors"][0]["pointer"] == "#/amount"
    assert Refund.objects.count() == 2


def test_sixteen_at_once_give_back_no_more_than_the_cap(paid: Payment) -> None:
    """The cap is compared under the lock of the payment."""

    def ask(number: int) -> int:
        try:
            return int(give_back("support", paid, 100).status_code)
        finally:
            connection.close()

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(ask, range(16)))

    assert answers.count(201) == 5
    assert answers.count(403) == 11
    assert sum(refund.amount_minor for refund in Refund.objects.all()) == 500


def test_a_currency_without_a_cap_is_for_two_admins(settings: LazySettings) -> None:
    """Deny by default."""
    settings.REFUND_CAPS = {"usd": 500}

    assert caps.of("jpy") == Money(0, "jpy")


def test_support_names_a_reason_and_an_admin_may(paid: Payment) -> None:
    """The design's table: to a cap, with a reason."""
    without = give_back("support", paid, 100, reason="")
    admin = give_back("admin", paid, 100, reason="")

    assert without.status_code == 400
    assert [error["pointer"] for error in without.json()["errors"]] == ["#/reason"]
    assert admin.status_code == 201


def test_support_cancels_with_the_period_and_not_at_once(buyer: Buyer) -> None:
    """The design's table: cancel at period end."""
    path = f"{V1}/subscriptions/{buyer.subscribe().pk}"

    assert api("sue", "support").delete(f"{path}?mode=immediate").status_code == 403
    assert api("sue", "support").delete(path).json()["cancel_at_period_end"]


def test_over_the_cap_one_admin_asks_and_another_approves(paid: Payment, buyer: Buyer) -> None:
    """Four eyes: who asked cannot approve, and approving twice gives back once."""
    asked = post(ALICE, "refund-approvals", payment_id=str(paid.pk), reason="duplicate").json()
    path = f"refund-approvals/{asked['id']}/approve"

    herself, other, again = post(ALICE, path), post(ADA, path), post(ADA, path)

    assert (asked["status"], asked["amount"], asked["principal"]) == ("waiting", 1200, "admin:alice")
    assert (herself.status_code, herself.json()["code"]) == (403, "second_admin_needed")
    assert (other.status_code, other.json()["amount"]) == (201, 1200)
    assert (again.json()["id"], again.headers["Idempotent-Replayed"]) == (other.json()["id"], "true")
    shown = api(ADA, "admin").get(f"{V1}/refund-approvals/{asked['id']}").json()
    assert (shown["status"], shown["decided_by"], shown["refund_id"]) == ("approved", "admin:ada", other.json()["id"])
    assert len(buyer.stripe.requests("POST", "/v1/refunds")) == 1
    assert buyer.history("refund_approval") == ["refund_approval.requested", "refund_approval.approved"]


@pytest.mark.parametrize("verb", ["approve", "decline"])
def test_who_sends_a_body_with_a_decision_is_told_that_it_does_not_count(paid: Payment, verb: str) -> None:
    """Unknown fields are refused: nothing is decided by a request that asks for something else."""
    asked = post(ALICE, "refund-approvals", payment_id=str(paid.pk), reason="duplicate").json()
    path = f"refund-approvals/{asked['id']}/{verb}"

    part = post(ADA, path, amount=1)
    listed = api(ADA, "admin").post(f"{V1}/{path}", "[1]", content_type="application/json")
    empty = api(ADA, "admin").generic("POST", f"{V1}/{path}")

    assert (part.status_code, part.json()["errors"][0]["pointer"]) == (400, "#/amount")
    assert listed.status_code == 400
    assert empty.status_code in (200, 201)


def test_eight_who_approve_at_once_give_back_once(paid: Payment, buyer: Buyer) -> None:
    """Whoever comes first decides; the others find the same refund, or that it is under way."""
    asked = post(ALICE, "refund-approvals", payment_id=str(paid.pk), reason="duplicate").json()

    def approve(number: int) -> int:
        try:
            return int(post(f"admin-{number}", f"refund-approvals/{asked['id']}/approve").status_code)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        answers = set(pool.map(approve, range(8)))

    assert answers <= {201, 409}
    assert Refund.objects.get().amount_minor == 1200
    assert len(buyer.stripe.requests("POST", "/v1/refunds")) == 1


def test_an_approval_outlives_a_stripe_that_does_not_answer(paid: Payment, buyer: Buyer) -> None:
    """503 is no answer: the same call again brings the refund, once."""
    asked = post(ALICE, "refund-approvals", payment_id=str(paid.pk), reason="duplicate").json()
    path = f"refund-approvals/{asked['id']}/approve"
    buyer.stripe.control("faults", path="^/v1/refunds$", method="POST", fault="500", times=9)

    unknown = post(ADA, path)
    buyer.stripe.http.delete("/_sandbox/faults").raise_for_status()
    known = post(ADA, path)

    assert (unknown.status_code, known.status_code) == (503, 201)
    assert Refund.objects.get().status == "succeeded"
    assert api(ADA, "admin").get(f"{V1}/refund-approvals/{asked['id']}").json()["refund_id"] == known.json()["id"]


def test_an_approval_outlives_a_refusal_of_stripe(paid: Payment, buyer: Buyer) -> None:
    """A refund that Stripe refuses is an error each time, and the same call gives the money back once it may."""
    asked = post(ALICE, "refund-approvals", payment_id=str(paid.pk), reason="duplicate").json()
    path = f"refund-approvals/{asked['id']}/approve"
    made = buyer.stripe.post("refunds", payment_intent=str(paid.stripe_id), amount=200)

    refused, again = post(ADA, path), post(ADA, path)
    buyer.stripe.control(f"refunds/{made['id']}/fail")
    answers = [post(ADA, path) for _ in range(2)]
    buyer.stripe.deliver()

    assert [refused.status_code, again.status_code] == [502, 502]
    assert {refused.json()["code"], again.json()["code"]} == {"stripe_refused"}
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json()["id"] == answers[1].json()["id"]
    assert api(ADA, "admin").get(f"{V1}/refund-approvals/{asked['id']}").json()["refund_id"] == answers[0].json()["id"]
    given = Refund.objects.exclude(status="failed").get()
    assert (given.amount_minor, given.status) == (1200, "succeeded")
    paid.refresh_from_db()
    assert paid.refunded_minor == paid.captured_minor


def test_what_was_declined_cannot_be_approved(paid: Payment) -> None:
    """A decision stands, and no money moves."""
    asked = post(ALICE, "refund-approvals", payment_id=str(paid.pk), amount=900, reason="fraudulent").json()

    declined = post(ADA, f"refund-approvals/{asked['id']}/decline")
    approved = post(ADA, f"refund-approvals/{asked['id']}/approve")

    assert declined.json()["status"] == "declined"
    assert (approved.status_code, approved.json()["code"]) == (409, AlreadyDecided.code)
    assert not Refund.objects.exists()


def test_the_database_wants_four_eyes_too(paid: Payment) -> None:
    """psql cannot approve for the one who asked."""
    approval, _ = approvals.ask(paid, 900, reason="duplicate", asking=Asking.of("admin:alice", None, {}))

    with pytest.raises(IntegrityError, match="approval_has_four_eyes"):
        RefundApproval.objects.filter(pk=approval.pk).update(decided_by="admin:alice")


def test_support_reads_masked_and_the_buyer_in_full(buyer: Buyer) -> None:
    """The design's table, "R masked": nothing that leads to Stripe, stands for the buyer, or names him."""
    subscription = buyer.subscribe()
    payment = Payment.objects.get()
    Payment.objects.update(metadata={"note": "Anna Kowalska, anna@example.com"}, failure_reason="Do not honour: stolen")
    paths = {
        f"payments/{payment.pk}": (
            *("external_payment_id", "stripe_payment_method_id", "failure_reason", "metadata"),
            "attempts",
        ),
        f"checkout-sessions/{subscription.checkout_id}": ("url", "stripe_id"),
        f"subscriptions/{subscription.pk}": ("stripe_id", "stripe_customer_id", "items"),
    }

    for path, names in paths.items():
        masked, full = (
            api(who, role).get(f"{V1}/{path}").json() for who, role in (("sue", "support"), ("anna", "user"))
        )
        for name in names:
            assert MASK in str(masked[name]), (path, name, masked[name])
            assert MASK not in str(full[name])
            assert masked[name] != full[name]
        assert {name for name in full if full[name] != masked[name]} == set(names)


@pytest.mark.parametrize("path", ["payments", "subscriptions", "entitlements"])
def test_lists_are_masked_as_single_objects_are(buyer: Buyer, path: str) -> None:
    """No other door shows what one door masks."""
    subscription = buyer.subscribe()
    payment = Payment.objects.get()
    secrets = [payment.stripe_id, payment.stripe_payment_method_id, subscription.stripe_id, buyer.customer.stripe_id]

    support = api("sue", "support").get(f"{V1}/users/anna/{path}").content.decode()
    service = api("shop", "service").get(f"{V1}/users/anna/{path}").content.decode()

    assert not [secret for secret in secrets if secret in support]
    assert [secret for secret in secrets if secret in service]
