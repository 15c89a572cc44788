"""Money back: all of it, parts of it, from here and from Stripe's dashboard, and never more than was paid."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from billing import refunds
from billing.errors import BillingError, NotRefundable, RefundTooLarge
from billing.idempotency import Asking
from billing.models import Finding, Payment, Refund
from events.asking import KeyReused
from tests.api import api
from tests.buyer import Buyer
from tests.stripe_side import DECLINED_CARD


def asking(key: str | None = None, amount: int | None = None) -> Asking:
    return Asking.of("admin:root", key, {"amount": amount})


def give_back(buyer: Buyer, amount: int | None = None, key: str | None = None) -> Refund:
    refund, _ = refunds.create(buyer.payment, amount, reason="requested_by_customer", asking=asking(key, amount))
    buyer.stripe.deliver()
    refund.refresh_from_db()
    return refund


def test_a_full_refund_ends_a_one_time_purchase(buyer: Buyer) -> None:
    """RF-01, RF-02, RF-03: by policy all the money back takes all the access."""
    buyer.buy()

    refund = give_back(buyer)

    assert (refund.status, refund.amount_minor) == ("succeeded", buyer.payment.amount_minor)
    assert buyer.payment.shown_status == "refunded"
    assert buyer.may().reason_code == "revoked"
    assert buyer.history("refund") == ["refund.requested", "refund.succeeded"]


def test_a_partial_refund_keeps_access(buyer: Buyer) -> None:
    """Ruling 6: partially_refunded is an amount, shown as a status; access stays."""
    buyer.buy()

    give_back(buyer, 100)

    assert buyer.payment.shown_status == "partially_refunded"
    assert buyer.may().allowed


def test_two_parts_make_a_whole(buyer: Buyer) -> None:
    """RF-02: several refunds of one payment."""
    buyer.buy()

    give_back(buyer, 500)
    give_back(buyer)

    assert Refund.objects.count() == 2
    assert buyer.payment.shown_status == "refunded"
    assert not buyer.may().allowed


def test_a_refund_made_in_the_dashboard_arrives(buyer: Buyer) -> None:
    """RF-05: charge.refunded; nobody asked us."""
    buyer.buy()

    buyer.stripe.post("refunds", payment_intent=str(buyer.payment.stripe_id))
    buyer.stripe.deliver(times=2)

    assert Refund.objects.get().principal == "stripe"
    assert buyer.payment.refunded_minor == buyer.payment.captured_minor
    assert not buyer.may().allowed


def test_a_refund_with_a_strange_note_arrives(buyer: Buyer) -> None:
    """Staff write what they like into Stripe's metadata, also under the name that we use."""
    buyer.buy()

    buyer.stripe.post("refunds", payment_intent=str(buyer.payment.stripe_id), **{"metadata[refund_id]": "ticket 7"})
    buyer.stripe.deliver()

    assert buyer.payment.shown_status == "refunded"


def test_more_than_is_left_is_refused(buyer: Buyer) -> None:
    """Ruling 5: only captured money goes back, and nothing is lost by asking."""
    buyer.buy()
    give_back(buyer, 1000)

    with pytest.raises(RefundTooLarge, match=r"2\.01 USD asked, 2\.00 USD left to refund"):
        give_back(buyer, 201)

    assert Refund.objects.count() == 1


def test_an_unpaid_payment_has_nothing_to_give_back(buyer: Buyer) -> None:
    """Ruling 5."""
    buyer.buy(card=DECLINED_CARD)

    with pytest.raises(NotRefundable):
        give_back(buyer)


def test_the_same_key_brings_the_same_refund(buyer: Buyer) -> None:
    """Same key, same body: one refund. Same key, other body: refused."""
    buyer.buy()

    first = give_back(buyer, 300, key="k-1")
    again, replayed = refunds.create(buyer.payment, 300, reason="", asking=asking("k-1", 300))

    assert replayed
    assert again == first
    with pytest.raises(KeyReused):
        refunds.create(buyer.payment, 400, reason="", asking=asking("k-1", 400))
    assert len(buyer.stripe.requests("POST", "/v1/refunds")) == 1


def race_for_the_rest(buyer: Buyer) -> int:
    """Let 16 threads ask for two thirds of the payment at once, and say how many got it."""
    payment = buyer.payment
    part = payment.amount_minor * 2 // 3

    def ask(number: int) -> bool:
        try:
            refunds.create(payment, part, reason="", asking=asking(f"race-{number}", part))
        except BillingError:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(16) as pool:
        return sum(pool.map(ask, range(16)))


def test_sixteen_who_ask_at_once_get_no_more_than_was_paid(buyer: Buyer) -> None:
    """The payment's row is locked while its amount is spoken for."""
    buyer.buy()

    assert race_for_the_rest(buyer) == 1
    assert buyer.payment.refunded_minor <= buyer.payment.captured_minor


def test_the_database_refuses_what_python_would_let_through(buyer: Buyer) -> None:
    """refunded <= captured is a constraint: the twin of the race, with the lock off, fails there."""
    buyer.buy()

    with pytest.raises(Exception, match="refunded_in_captured"):
        Payment.objects.update(refunded_minor=buyer.payment.captured_minor + 1)


def test_a_refund_that_stripe_refuses_gives_its_amount_back(buyer: Buyer) -> None:
    """A definite no: the refund failed, and what it spoke for can be refunded again."""
    buyer.buy()
    buyer.stripe.post("refunds", payment_intent=str(buyer.payment.stripe_id))
    buyer.stripe.new_events()

    with pytest.raises(BillingError, match="already been refunded"):
        give_back(buyer)

    assert Refund.objects.get().status == "failed"
    assert buyer.payment.refunded_minor == 0


def test_a_refund_that_fails_late_gives_its_amount_back(buyer: Buyer) -> None:
    """A bank may return the money days later: succeeded -> failed. Access may be gone by then: staff are told."""
    buyer.buy()
    refund = give_back(buyer)

    buyer.stripe.control(f"refunds/{refund.stripe_id}/fail")
    buyer.stripe.deliver()

    assert Refund.objects.get().status == "failed"
    assert buyer.payment.refunded_minor == 0
    assert Finding.objects.get().object == f"refund:{refund.pk}"


def test_eleven_refunds_of_one_payment_are_all_known(buyer: Buyer) -> None:
    """RF-02, RF-05: Stripe shows the newest ten beside a charge; the rest are asked for."""
    buyer.buy()
    for _ in range(12):
        buyer.stripe.post("refunds", payment_intent=str(buyer.payment.stripe_id), amount=10)

    buyer.stripe.deliver(shuffled=4)

    assert Refund.objects.filter(status="succeeded").count() == 12
    assert buyer.payment.refunded_minor == 120


def test_an_amount_that_came_back_late_can_be_refunded_again(buyer: Buyer) -> None:
    """The bank sent the first one back: the second is another refund, and the payment is refunded."""
    buyer.buy()
    first = give_back(buyer)
    buyer.stripe.control(f"refunds/{first.stripe_id}/fail")
    buyer.stripe.deliver()

    second = give_back(buyer)

    assert second.status == "succeeded"
    assert buyer.payment.shown_status == "refunded"


def test_sixteen_different_amounts_at_once_stay_within_what_was_paid(buyer: Buyer) -> None:
    """Whatever mix of amounts wins, the sum here and at Stripe is at most what was captured."""
    buyer.buy()
    payment = buyer.payment

    def ask(number: int) -> None:
        try:
            refunds.create(payment, 50 + 20 * number, reason="", asking=asking(f"mix-{number}"))
        except BillingError:
            pass
        finally:
            connection.close()

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(ask, range(16)))
    buyer.stripe.deliver()

    there = sum(one["amount"] for one in buyer.stripe.get("refunds", limit=100)["data"])
    assert 0 < there == buyer.payment.refunded_minor <= buyer.payment.captured_minor


def test_refunds_are_listed_by_payment_status_and_user(buyer: Buyer) -> None:
    """GET refunds, for staff and services; with an offset there is a total."""
    buyer.buy()
    refund = give_back(buyer, 100)
    client = api("sue", "support")

    for query, count in (
        (f"payment_id={buyer.payment.pk}", 1),
        ("status=succeeded&user_id=anna&offset=0", 1),
        ("status=failed", 0),
        ("user_id=ben", 0),
    ):
        answer = client.get(f"/api/v1/refunds?{query}").json()
        assert [one["id"] for one in answer["data"]] == [str(refund.pk)] * count
    assert client.get("/api/v1/refunds?offset=0").json()["total"] == 1
