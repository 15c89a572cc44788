"""The yardstick of the random histories: it is silent when the books are Stripe's, and names what is not."""

from __future__ import annotations

import pytest
from django.db import connection, transaction

from tests.billing.stripe_truth import differences
from tests.buyer import Buyer

BREAKS = {
    "captured": "UPDATE billing_payment SET captured_minor = captured_minor - 1, refunded_minor = 0",
    "refund": "UPDATE billing_refund SET status = 'failed'",
    "status": "UPDATE billing_subscription SET status = 'past_due'",
    "cancel_at": "UPDATE billing_subscription SET cancel_at = now()",
    "billed": "UPDATE billing_subscription SET quantity = 2",
    "invoice": "UPDATE billing_invoice SET status = 'open'",
    "missing here": "UPDATE billing_payment SET stripe_id = 'pi_other'",
    "missing there": "UPDATE billing_subscription SET stripe_id = 'sub_other'",
    "told twice": "UPDATE events_event SET type = 'payment.created', object = 'payment:1'",
    "where by Stripe": "UPDATE entitlements_entitlement SET status = 'revoked'",
}


@pytest.mark.broken_books
@pytest.mark.parametrize("named", BREAKS)
def test_what_differs_from_stripe_is_named(buyer: Buyer, named: str) -> None:
    """Rows are broken past their triggers, one rule at a time."""
    buyer.subscribe()
    buyer.stripe.post("refunds", payment_intent=buyer.payment.stripe_id, amount=100)
    buyer.stripe.deliver()
    assert not differences(buyer.stripe, ["anna"])

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(BREAKS[named])

    assert [one for one in differences(buyer.stripe, ["anna"]) if named in one]
