"""Money that goes back: refunds and disputes."""

import pytest
import stripe

from tests.sandbox.conftest import Sandbox
from tests.sandbox.test_payments_intents import pay


def test_a_refund_of_all_marks_the_charge(sandbox: Sandbox) -> None:
    intent = pay(sandbox, "pm_card_visa")
    sandbox.deliver()

    refund = sandbox.client.v1.refunds.create({"payment_intent": intent.id, "reason": "requested_by_customer"})

    charge = sandbox.client.v1.charges.retrieve(str(intent.latest_charge), {"expand": ["refunds"]})
    assert (refund.status, refund.amount, refund.charge) == ("succeeded", 1999, charge.id)
    assert (charge.refunded, charge.amount_refunded) == (True, 1999)
    assert [each.id for each in charge.refunds.data] == [refund.id]
    assert sandbox.deliver() == ["refund.created", "charge.refunded"]


def test_parts_are_refunded_until_nothing_is_left(sandbox: Sandbox) -> None:
    intent = pay(sandbox, "pm_card_visa")
    sandbox.client.v1.refunds.create({"payment_intent": intent.id, "amount": 500})

    with pytest.raises(stripe.InvalidRequestError) as too_much:
        sandbox.client.v1.refunds.create({"payment_intent": intent.id, "amount": 1500})
    rest = sandbox.client.v1.refunds.create({"charge": str(intent.latest_charge)})
    with pytest.raises(stripe.InvalidRequestError) as nothing_left:
        sandbox.client.v1.refunds.create({"payment_intent": intent.id})

    assert "greater than unrefunded amount" in str(too_much.value)
    assert rest.amount == 1499
    assert nothing_left.value.code == "charge_already_refunded"


def test_what_was_taken_of_held_money_can_be_refunded(sandbox: Sandbox) -> None:
    held = pay(sandbox, "pm_card_visa", capture_method="manual")
    with pytest.raises(stripe.InvalidRequestError, match="only holds money"):
        sandbox.client.v1.refunds.create({"payment_intent": held.id})
    sandbox.client.v1.payment_intents.capture(held.id, {"amount_to_capture": 1500})

    refund = sandbox.client.v1.refunds.create({"payment_intent": held.id})

    charge = sandbox.client.v1.charges.retrieve(str(refund.charge))
    assert (refund.amount, charge.amount_refunded, charge.refunded) == (1500, 1999, True)


def test_a_payment_that_failed_cannot_be_refunded(sandbox: Sandbox) -> None:
    with pytest.raises(stripe.CardError):
        pay(sandbox, "pm_card_chargeDeclined")
    intent = sandbox.client.v1.payment_intents.list().data[0]

    with pytest.raises(stripe.InvalidRequestError, match="does not have a successful charge"):
        sandbox.client.v1.refunds.create({"payment_intent": intent.id})


def test_a_refund_may_be_sent_back_by_the_bank(sandbox: Sandbox) -> None:
    intent = pay(sandbox, "pm_card_visa")
    refund = sandbox.client.v1.refunds.create({"payment_intent": intent.id})
    sandbox.deliver()

    sandbox.control(f"refunds/{refund.id}/fail")

    charge = sandbox.client.v1.charges.retrieve(str(intent.latest_charge))
    assert sandbox.client.v1.refunds.retrieve(refund.id).status == "failed"
    assert (charge.refunded, charge.amount_refunded) == (False, 0)
    assert "refund.failed" in sandbox.deliver()


@pytest.mark.parametrize(
    ("method", "first", "last"), [("pendingRefund", "pending", "succeeded"), ("refundFail", "succeeded", "failed")]
)
def test_some_cards_answer_a_refund_days_later(sandbox: Sandbox, method: str, first: str, last: str) -> None:
    intent = pay(sandbox, f"pm_card_{method}")
    refund = sandbox.client.v1.refunds.create({"payment_intent": intent.id})

    sandbox.advance(days=6)

    assert (refund.status, sandbox.client.v1.refunds.retrieve(refund.id).status) == (first, last)


def test_a_disputed_charge_loses_its_money_until_it_is_won(sandbox: Sandbox) -> None:
    intent = pay(sandbox, "pm_card_visa")
    sandbox.deliver()

    dispute = sandbox.control("disputes", charge=intent.latest_charge, reason="fraudulent")
    with pytest.raises(stripe.InvalidRequestError) as refused:
        sandbox.client.v1.refunds.create({"payment_intent": intent.id})
    sandbox.control(f"disputes/{dispute['id']}/close", won=True)

    assert refused.value.code == "charge_disputed"
    assert sandbox.client.v1.disputes.retrieve(dispute["id"]).status == "won"
    assert sandbox.deliver() == [
        "charge.dispute.created",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.closed",
        "charge.dispute.funds_reinstated",
    ]
    amounts = [each.amount for each in sandbox.client.v1.balance_transactions.list({"type": "adjustment"}).data]
    assert amounts == [1999, -1999]


def test_a_card_may_dispute_by_itself_and_evidence_decides(sandbox: Sandbox) -> None:
    pay(sandbox, "pm_card_createDispute")
    dispute = sandbox.client.v1.disputes.list().data[0]

    decided = sandbox.client.v1.disputes.update(dispute.id, {"evidence": {"uncategorized_text": "losing_evidence"}})

    assert (dispute.status, decided.status) == ("needs_response", "lost")
    assert decided.evidence_details.submission_count == 1


def test_a_dispute_can_be_given_up(sandbox: Sandbox) -> None:
    pay(sandbox, "pm_card_createDispute")
    dispute = sandbox.client.v1.disputes.list().data[0]

    assert sandbox.client.v1.disputes.close(dispute.id).status == "lost"
