"""What holds between money, access and history, whatever happened. `check_invariants` and the tests ask."""

from __future__ import annotations

from datetime import datetime

import entitlements.invariants
import events.invariants
from billing import leases
from billing.policy import Action, Cause, Kind
from entitlements.invariants import GRANTS, IN_FORCE
from events.invariants import ALWAYS, Invariant, recorded
from pricing.invariants import INCLUDED, QUOTED

# A janitor that runs every minute and an event that is tried for three days leave nothing older than these.
CHECKOUT_BOUND = "interval '1 hour'"
REFUND_BOUND = "interval '25 hours'"
EVENT_BOUND = "interval '1 hour'"

# The payments whose money was given back in full, or is on its way back.
REFUNDED = """
    SELECT payment_id FROM billing_refund WHERE status IN ('pending', 'succeeded')
    GROUP BY payment_id
    HAVING sum(amount_minor) >= (SELECT captured_minor FROM billing_payment WHERE id = payment_id)
"""
# Whether a full refund takes what was bought: it does unless staff have said otherwise.
REFUND_TAKES = f"""NOT EXISTS (
    SELECT FROM billing_policyrule WHERE kind = '{Kind.ONE_TIME}' AND cause = '{Cause.FULL_REFUND}'
      AND action NOT IN ('{Action.SUSPEND}', '{Action.REVOKE}'))"""
# What of a payment can be given back: banks have taken the rest.
REFUNDABLE = "(paid.captured_minor - paid.lost_minor)"
# A source names one of our rows by its id; one that is none of ours must not end the query.
SOURCE_ID = "CASE WHEN source_id ~ '^[0-9a-f-]{36}$' THEN source_id::uuid END"

MONEY = (
    Invariant(
        "a_paid_payment_names_its_charge",
        "what was paid was paid at Stripe",
        """
        SELECT 'payment:' || id FROM billing_payment
        WHERE status = 'succeeded' AND amount_minor > 0 AND (stripe_id IS NULL OR captured_minor = 0)
        """,
    ),
    Invariant(
        "a_charge_is_one_payment",
        "money that came once is counted once",
        """
        SELECT stripe_charge_id FROM billing_payment WHERE stripe_charge_id <> ''
        GROUP BY stripe_charge_id HAVING count(*) > 1
        """,
    ),
    Invariant(
        "money_without_success_has_a_finding",
        "money for a payment that was given up waits for a person",
        """
        SELECT 'payment:' || id FROM billing_payment AS paid
        WHERE captured_minor > 0 AND status = 'canceled' AND NOT EXISTS (
            SELECT FROM billing_finding WHERE object = paid.stripe_id)
          AND looked_at < now() - interval '1 day'
        """,
    ),
    Invariant(
        "refunded_is_the_sum_of_refunds",
        "0 <= refunded <= captured, and each cent of it is a refund that is asked for or done",
        f"""
        SELECT 'payment:' || paid.id FROM billing_payment AS paid LEFT JOIN (
            SELECT payment_id, sum(amount_minor) AS live,
                   coalesce(sum(amount_minor) FILTER (WHERE status <> 'requested'), 0) AS there
            FROM billing_refund WHERE status IN ('requested', 'pending', 'succeeded') GROUP BY payment_id
        ) AS back ON back.payment_id = paid.id
        WHERE paid.refunded_minor <> least(coalesce(back.live, 0), {REFUNDABLE})
           OR paid.refunded_minor NOT BETWEEN 0 AND {REFUNDABLE}
           OR back.there > paid.captured_minor
        """,
    ),
    Invariant(
        "a_refund_is_in_the_payments_currency",
        "money goes back as it came",
        """
        SELECT 'refund:' || back.id FROM billing_refund AS back JOIN billing_payment AS paid ON paid.id = payment_id
        WHERE back.currency <> paid.currency
        """,
    ),
    Invariant(
        "a_purchase_costs_what_was_quoted",
        "the buyer pays the price that he was shown",
        f"""
        SELECT 'payment:' || paid.id FROM billing_payment AS paid
        LEFT JOIN billing_checkout AS bought ON bought.id = paid.checkout_id
        JOIN ({QUOTED}) AS quoted ON quoted.id = coalesce(bought.quote_id, paid.quote_id)
        WHERE (paid.amount_minor, paid.currency) <> (quoted.amount_minor, quoted.currency)
        """,
    ),
    Invariant(
        "a_subscription_is_what_was_quoted",
        "the price of a subscription is locked: its quote is of its version, and it is paid in the quote's currency",
        f"""
        SELECT 'subscription:' || runs.id FROM billing_subscription AS runs
        JOIN ({QUOTED}) AS quoted ON quoted.id = runs.quote_id
        WHERE quoted.version_id <> runs.version_id OR EXISTS (
            SELECT FROM billing_payment AS paid
            WHERE paid.subscription_id = runs.id AND paid.currency <> quoted.currency)
        """,
    ),
    Invariant(
        "one_live_subscription_per_line",
        "nobody pays twice for one thing unless a person was told",
        """
        SELECT 'subscription:' || second.id FROM billing_subscription AS second
        WHERE status NOT IN ('canceled', 'incomplete_expired') AND (
            duplicate AND NOT EXISTS (
                SELECT FROM billing_finding
                WHERE kind = 'second_subscription' AND object = 'subscription:' || second.id)
            OR NOT duplicate AND EXISTS (
                SELECT FROM billing_subscription AS first
                WHERE (first.customer_id, first.product_line) = (second.customer_id, second.product_line)
                  AND first.id < second.id AND NOT first.duplicate
                  AND first.status NOT IN ('canceled', 'incomplete_expired')))
        """,
    ),
)

ACCESS_HAS_A_REASON = Invariant(
    "access_has_a_reason",
    "a grant in force comes from a subscription that runs, a purchase that is paid, or somebody's decision",
    # By source, not by grant: a plan gives many, and each source is looked up once.
    f"""
    WITH given AS (SELECT DISTINCT source_type, source_id, subscription_id, user_id FROM ({IN_FORCE}) AS in_force)
    SELECT 'subscription:' || source_id FROM given WHERE source_type = 'subscription' AND NOT EXISTS (
        SELECT FROM billing_subscription AS runs JOIN billing_customer AS payer ON payer.id = runs.customer_id
        WHERE runs.stripe_id = given.subscription_id AND payer.user_id = given.user_id
          AND runs.status IN ('trialing', 'active', 'past_due', 'unpaid', 'paused'))
    UNION
    SELECT 'one_time:' || source_id FROM given WHERE source_type = 'one_time' AND NOT EXISTS (
        SELECT FROM billing_payment AS paid JOIN billing_customer AS payer ON payer.id = paid.customer_id
        WHERE paid.id = {SOURCE_ID} AND payer.user_id = given.user_id AND paid.status = 'succeeded'
          AND NOT ({REFUND_TAKES} AND paid.id IN ({REFUNDED})))
    """,
)
ACCESS = (
    ACCESS_HAS_A_REASON,
    Invariant(
        "what_was_bought_is_given",
        "a purchase that is paid, and not paid back, has every grant of its plan unless somebody took it",
        f"""
        SELECT 'payment:' || paid.id || ' ' || included.feature_code FROM billing_payment AS paid
        LEFT JOIN billing_checkout AS bought ON bought.id = paid.checkout_id
        JOIN billing_customer AS payer ON payer.id = paid.customer_id
        JOIN ({QUOTED}) AS quoted ON quoted.id = coalesce(bought.quote_id, paid.quote_id)
        JOIN ({INCLUDED}) AS included ON included.version_id = quoted.version_id
        LEFT JOIN ({GRANTS}) AS given ON (given.source_type, given.source_id, given.feature_code, given.user_id)
            = ('one_time', paid.id::text, included.feature_code, payer.user_id)
        WHERE paid.status = 'succeeded' AND paid.refunded_minor = 0
          AND (given.id IS NULL OR given.status = 'canceled' AND given.reason = '')
        """,
    ),
    Invariant(
        "what_renews_is_given",
        "a subscription that runs has every grant of its plan unless somebody took it",
        f"""
        SELECT 'subscription:' || runs.id || ' ' || included.feature_code FROM billing_subscription AS runs
        JOIN billing_customer AS payer ON payer.id = runs.customer_id
        JOIN ({INCLUDED}) AS included ON included.version_id = runs.version_id
        LEFT JOIN ({GRANTS}) AS given ON (given.source_type, given.source_id, given.feature_code, given.user_id)
            = ('subscription', runs.id::text, included.feature_code, payer.user_id)
        WHERE runs.status IN ('active', 'trialing')
          AND runs.current_period_end > now() AND coalesce(runs.cancel_at, 'infinity') > now()
          AND (given.id IS NULL OR given.status IN ('canceled', 'expired') AND given.reason = '')
          AND NOT EXISTS (
            SELECT FROM billing_payment WHERE subscription_id = runs.id AND (refunded_minor > 0 OR disputed))
          AND NOT EXISTS (SELECT FROM billing_invoice WHERE subscription_id = runs.id AND status = 'uncollectible')
        """,
    ),
)

# What Stripe was asked for and nobody knows yet: by name, the rows and since when.
ASKED = {
    "payment": ("billing_payment", "status = 'pending' AND stripe_id IS NULL AND principal <> ''", "created_at"),
    "invoice": ("billing_invoice", "status = 'draft' AND stripe_id IS NULL", "created_at"),
    "payment_method": ("billing_paymentmethod", "attached_at IS NULL", "created_at"),
    "subscription_order": ("billing_subscriptionorder", "status = 'open'", "created_at"),
    "subscription_change": ("billing_subscriptionchange", "status = 'asked'", "status_at"),
}

BOUNDS = (
    *(
        Invariant(
            f"no_{kind}_stays_unknown",
            "what Stripe was asked for is found out before its idempotency key ends",
            f"SELECT '{kind}:' || id FROM {table} WHERE {waits} AND {since} < now() - {REFUND_BOUND}",  # noqa: S608 (ours)
        )
        for kind, (table, waits, since) in ASKED.items()
    ),
    Invariant(
        "no_answer_is_overdue",
        "who was asked for another price and said nothing in time has said no",
        f"""
        SELECT 'zone-check:' || id FROM billing_zonecheck
        WHERE status = 'proposed' AND answer_until < now() - {EVENT_BOUND}
        """,
    ),
    Invariant(
        "no_checkout_stays_open",
        "a page that has expired is closed within the hour, whatever event was lost",
        f"""
        SELECT 'checkout:' || id FROM billing_checkout WHERE status = 'open' AND expires_at < now() - {CHECKOUT_BOUND}
        """,
    ),
    Invariant(
        "no_refund_stays_unknown",
        "what became of a refund is found out before Stripe's idempotency key ends",
        f"""
        SELECT 'refund:' || id FROM billing_refund WHERE status = 'requested' AND created_at < now() - {REFUND_BOUND}
        """,
    ),
    Invariant(
        "no_event_waits",
        "what Stripe told is looked at when it is due",
        f"""
        SELECT 'webhook:' || stripe_id FROM billing_webhookevent
        WHERE status IN ('received', 'retry') AND due_at < now() - {EVENT_BOUND}
        """,
    ),
    Invariant(
        "no_lease_is_held_longer_than_it_lasts",
        "whoever dies at work holds up nobody for long",
        f"""
        SELECT 'lease:' || stripe_id FROM billing_lease WHERE held_until > now() + interval '{leases.SECONDS + 10} s'
        """,
    ),
)

HISTORY = tuple(
    Invariant(
        f"{'an' if kind == 'invoice' else 'a'}_{kind}_has_its_history",
        "every row of money can be told",
        recorded(f"SELECT id FROM {table}", kind),
    )
    for kind, table in (
        ("payment", "billing_payment"),
        ("refund", "billing_refund"),
        ("subscription", "billing_subscription"),
        ("checkout", "billing_checkout"),
        ("invoice", "billing_invoice"),
        ("dispute", "billing_dispute"),
    )
)

ALL = (*MONEY, *ACCESS, *BOUNDS, *HISTORY, *entitlements.invariants.ALL, *events.invariants.ALL)


def broken(*, since: datetime = ALWAYS) -> dict[Invariant, list[str]]:
    """Name the rows that break each rule, at most 20 each; empty when all hold.

    `since` bounds the rules of history, whose tables only grow: rows made before it are not asked again.
    """
    return {rule: rows for rule in ALL if (rows := rule.broken(since=since))}
