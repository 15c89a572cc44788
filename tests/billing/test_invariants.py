"""What must hold: each rule is broken by SQL, and is seen and named."""

from __future__ import annotations

import json

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from billing import invariants
from billing.models import Payment, Subscription
from entitlements import families
from entitlements.models import Entitlement
from events import clock
from events.asking import Asking
from tests.buyer import Buyer

NO_TRIGGERS = "SET LOCAL session_replication_role = replica"
COUNTED = """
    INSERT INTO entitlements_usagecounter
        (id, feature_code, subject, member, period_start, rolled, used, reserved, ceiling)
    VALUES (gen_random_uuid(), 'api_calls', 'user:anna', '', now(), 0, {})
"""
LONG_AGO = "created_at = now() - interval '26 hours'"
# By name: what breaks it, after Anna has bought for life, got a part back and subscribed, Ben's bank disputes, and Eve
# has a family.
BREAKS = {
    "a_paid_payment_names_its_charge": "UPDATE billing_payment SET stripe_id = NULL WHERE checkout_id IS NOT NULL",
    "a_charge_is_one_payment": "UPDATE billing_payment SET stripe_charge_id = 'ch_one'",
    "money_without_success_has_a_finding": """
        UPDATE billing_payment SET status = 'canceled', looked_at = now() - interval '2 days'
    """,
    "refunded_is_the_sum_of_refunds": "UPDATE billing_refund SET status = 'failed'",
    "a_refund_is_in_the_payments_currency": "UPDATE billing_refund SET currency = 'eur'",
    "a_purchase_costs_what_was_quoted": """
        UPDATE billing_payment SET amount_minor = amount_minor + 1 WHERE checkout_id IS NOT NULL
    """,
    "a_subscription_is_what_was_quoted": "UPDATE billing_payment SET currency = 'eur'",
    "one_live_subscription_per_line": "UPDATE billing_subscription SET duplicate = true",
    "access_has_a_reason": "UPDATE billing_subscription SET status = 'canceled'",
    "what_was_bought_is_given": """
        UPDATE billing_payment SET refunded_minor = 0;
        UPDATE billing_refund SET status = 'failed';
        DELETE FROM entitlements_entitlement WHERE source_type = 'one_time'
    """,
    "what_renews_is_given": "UPDATE entitlements_entitlement SET status = 'canceled'",
    "no_checkout_stays_open": """
        UPDATE billing_checkout SET status = 'open', expires_at = now() - interval '61 minutes'
    """,
    "no_refund_stays_unknown": """
        UPDATE billing_refund SET status = 'requested', created_at = now() - interval '26 hours'
    """,
    "no_payment_stays_unknown": f"""
        UPDATE billing_payment SET status = 'pending', stripe_id = NULL, principal = 'service:shop', {LONG_AGO}
    """,
    "no_invoice_stays_unknown": f"UPDATE billing_invoice SET status = 'draft', stripe_id = NULL, {LONG_AGO}",
    "no_payment_method_stays_unknown": f"""
        UPDATE billing_paymentmethod SET attached_at = NULL, is_default = false, {LONG_AGO}
    """,
    "no_subscription_order_stays_unknown": """
        INSERT INTO billing_subscriptionorder (id, customer_id, quote_id, product_line, quantity, extras, trial_days,
            payment_method_id, failure_reason, principal, request_hash, attempt, status, status_at, created_at)
        SELECT gen_random_uuid(), customer_id, quote_id, 'default', 1, '[]', 0, '', '', '', '', 1, 'open', now(),
            now() - interval '26 hours'
        FROM billing_subscription LIMIT 1
    """,
    "no_subscription_change_stays_unknown": """
        INSERT INTO billing_subscriptionchange (id, subscription_id, quote_id, quantity, "when", had, wanted, quotes,
            params, due_minor, next_minor, currency, next_at, effective_at, access, failure_reason, expires_at,
            principal, request_hash, attempt, status, status_at, created_at)
        SELECT gen_random_uuid(), id, quote_id, 1, 'now', '{}', '{}', '[]', '{}', 0, 0, 'usd', now(), now(), '{}', '',
            now(), '', '', 1, 'asked', now() - interval '26 hours', now()
        FROM billing_subscription LIMIT 1
    """,
    "no_answer_is_overdue": """
        UPDATE billing_zonecheck SET status = 'proposed', answer_until = now() - interval '2 hours'
    """,
    "no_event_waits": """
        UPDATE billing_webhookevent SET status = 'received', due_at = now() - interval '2 hours'
    """,
    "no_lease_is_held_longer_than_it_lasts": "UPDATE billing_lease SET held_until = now() + interval '1 hour'",
    "a_payment_has_its_history": "DELETE FROM events_event WHERE object LIKE 'payment:%'",
    "a_refund_has_its_history": "DELETE FROM events_event WHERE object LIKE 'refund:%'",
    "a_subscription_has_its_history": "DELETE FROM events_event WHERE object LIKE 'subscription:%'",
    "a_checkout_has_its_history": "DELETE FROM events_event WHERE object LIKE 'checkout:%'",
    "an_invoice_has_its_history": "DELETE FROM events_event WHERE object LIKE 'invoice:%'",
    "a_dispute_has_its_history": "DELETE FROM events_event WHERE object LIKE 'dispute:%'",
    "a_grant_has_its_history": "DELETE FROM events_event WHERE object LIKE 'entitlement:%'",
    "who_is_in_a_family_is_in_an_open_one": "UPDATE entitlements_family SET closed_at = now()",
    "an_open_family_has_its_owner_in_it": "UPDATE entitlements_familymember SET role = 'member'",
    "a_shared_grant_is_a_member_s": "UPDATE entitlements_familymember SET status = 'removed'",
    "a_family_has_its_history": "DELETE FROM events_event WHERE object LIKE 'family:%'",
    "what_was_used_is_what_was_recorded": COUNTED.format("5, 0, NULL"),
    "what_is_reserved_is_what_is_held": COUNTED.format("0, 5, NULL"),
    "no_counter_is_above_its_ceiling": f"""
        ALTER TABLE entitlements_usagecounter DROP CONSTRAINT counter_within_ceiling;
        {COUNTED.format("5, 0, 3")}
    """,
    "history_has_no_gap": "DELETE FROM events_event WHERE sequence = 2",
}


def test_every_rule_is_broken_below() -> None:
    """No rule without a proof that it can fail; no two of one name."""
    assert sorted(BREAKS) == sorted(rule.name for rule in invariants.ALL)


def test_each_broken_rule_is_named_with_its_rows(buyer: Buyer) -> None:
    """And nothing is named while all holds."""
    buyer.buy()
    buyer.stripe.post("refunds", payment_intent=str(buyer.payment.stripe_id), amount="100")
    buyer.stripe.deliver()
    buyer.subscribe()
    Buyer(buyer.stripe, "ben").buy()
    buyer.stripe.control("disputes", charge=Payment.objects.get(customer__user_id="ben").stripe_charge_id)
    buyer.stripe.deliver()
    Buyer(buyer.stripe, "eve").subscribe("family-yearly")
    families.create("eve", name="", asking=Asking("user:eve", None, ""), at=clock.now())
    assert invariants.broken() == {}

    missed = [name for name, sql in BREAKS.items() if not seen(name, sql)]

    assert missed == []
    assert invariants.broken() == {}


def seen(name: str, sql: str) -> bool:
    """Break a rule, ask, and take it back."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(NO_TRIGGERS)
        cursor.execute(sql)
        found = {rule.name: rows for rule, rows in invariants.broken().items()}
        transaction.set_rollback(True)
    return bool(found.get(name)) and all(len(rows) <= 20 for rows in found.values())


@pytest.mark.broken_books
def test_two_live_subscriptions_without_a_finding_are_named(buyer: Buyer) -> None:
    """Also when somebody took the constraint away."""
    one = buyer.subscribe()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DROP INDEX one_live_subscription")
        Subscription.objects.filter(pk=one.pk).update(checkout=None)
        one.pk, one.stripe_id, one.checkout_id = None, "sub_second", None
        one._state.adding = True
        one.save()

        assert "one_live_subscription_per_line" in {rule.name for rule in invariants.broken()}
        transaction.set_rollback(True)


def test_a_source_that_is_no_id_is_no_reason(buyer: Buyer) -> None:
    """Such a row is named, and does not end the query."""
    buyer.buy()
    with transaction.atomic():
        Entitlement.objects.update(source_id="'; DROP TABLE")

        assert invariants.ACCESS_HAS_A_REASON.broken() == ["one_time:'; DROP TABLE"]
        transaction.set_rollback(True)


@pytest.mark.broken_books
def test_the_command_names_what_is_broken_and_exits_by_it(buyer: Buyer, capsys: pytest.CaptureFixture[str]) -> None:
    """A table of all rules; 0 while they hold, 1 when one does not."""
    buyer.buy()
    call_command("check_invariants")
    assert "access_has_a_reason" in capsys.readouterr().out

    Payment.objects.update(amount_minor=1300)
    with pytest.raises(CommandError, match="a_purchase_costs_what_was_quoted"):
        call_command("check_invariants", "--json")

    assert json.loads(capsys.readouterr().out) == {"a_purchase_costs_what_was_quoted": [f"payment:{buyer.payment.pk}"]}


def test_the_window_bounds_what_is_read_of_history(buyer: Buyer) -> None:
    """Rows made before it are not asked again: ids tell when a row was made."""
    buyer.buy()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(NO_TRIGGERS)
        cursor.execute("DELETE FROM events_event WHERE object LIKE 'payment:%'")
        cursor.execute("SELECT now() + interval '1 minute'")
        (later,) = cursor.fetchone()

        assert "a_payment_has_its_history" in {rule.name for rule in invariants.broken()}
        assert "a_payment_has_its_history" not in {rule.name for rule in invariants.broken(since=later)}
        transaction.set_rollback(True)
