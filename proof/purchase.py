"""Lines 2 to 5: one purchase, from the quote to the access, and the same news again and again."""

from __future__ import annotations

from collections import Counter
from typing import Any

from proof import buyer
from proof.client import new_key
from proof.expecting import NotReached, same, true, until
from proof.lines import Figures, line
from proof.prices import PLAN
from proof.run import Purchase, Run
from proof.watch import Watch

FEATURE = "export"
AT_ONCE = 8


@line(2, "A checkout for a user in India, at the quoted price on Stripe's side")
def checkout(run: Run) -> Figures:
    """The price that was shown is the price that Stripe asks for; the same key brings the same checkout."""
    shown = run.service.get(f"plans/{PLAN}", country="IN")["price"]
    person, key = run.new_person("IN"), new_key()
    opened, _ = person.open_checkout(PLAN, key=key)
    same("amount of the checkout", (shown["amount"], shown["currency"]), (opened["amount"], opened["currency"]))
    session = run.stripe.session(opened["stripe_id"])
    same("amount at Stripe", (opened["amount"], opened["currency"].lower()), (session.amount_total, session.currency))
    same("session on Stripe's side", ("open", "payment", "unpaid"), _state(session))
    yield f"shown {shown['amount']}, checkout {opened['amount']}, Stripe {session.amount_total} {session.currency}"
    again, replayed = person.open_checkout(PLAN, key=key)
    same("the same Idempotency-Key again", (opened["id"], True), (again["id"], replayed))
    yield f"the same Idempotency-Key brings the same checkout, {opened['stripe_id'][:16]}..."
    run.purchase = Purchase(person, opened)


@line(3, "The buyer pays with 4242 4242 4242 4242; the signed webhook arrives; payment succeeded", needs_sandbox=True)
def pay(run: Run) -> Figures:
    """The payment is known from the webhook alone: nothing here asks Farebox to look at Stripe."""
    purchase = run.opened()
    person = purchase.person
    purchase.before = person.check(FEATURE)
    with Watch(lambda: bool(person.check(FEATURE)["allowed"])) as access:
        landing = buyer.pay(purchase.checkout["url"], card=buyer.GOOD_CARD)
        true("the buyer's way back", landing.paid, f"{landing.url} {landing.alert}", expected="to the success_url")
        payment = until("payment", person.payments, _succeeded, expected="one, succeeded")[0]
        until("access", lambda: access.at, bool, expected="granted")
    purchase.payment, purchase.allowed_at = payment, access.at
    same("amount paid", purchase.checkout["amount"], payment["amount"])
    intent = run.stripe.intent(payment["external_payment_id"])
    same("payment on Stripe's side", ("succeeded", payment["amount"]), (intent.status, intent.amount_received))
    ids = purchase.checkout["stripe_id"], intent.id
    purchase.events = tuple(event.id for event in run.stripe.events_about(*ids, since=run.began))
    paid = f"{payment['amount_decimal']} {payment['currency']}"
    yield f"back at {landing.url.rpartition('/')[2]}; payment {payment['status']}, {paid}"
    yield f"{len(purchase.events)} events of Stripe's about it"


@line(4, "The check turns from no to yes, in under a second from the webhook", needs_sandbox=True)
def access(run: Run) -> Figures:
    """The time from the first accepted webhook of the purchase to the first yes."""
    purchase, _ = run.paid()
    before, after = purchase.before or {}, purchase.person.check(FEATURE)
    same("check before", (False, "no_entitlement"), (before["allowed"], before["reason_code"]))
    same("check after", (True, "granted"), (after["allowed"], after["reason_code"]))
    yield f"before: {before['allowed']} ({before['reason_code']}), after: {after['allowed']} ({after['reason_code']})"
    arrived = min(run.sandbox.delivered(*purchase.events).values(), default=None)
    if arrived is None or purchase.allowed_at is None:
        raise NotReached(3)
    seconds = max(purchase.allowed_at - arrived, 0.0)
    yield f"access {seconds * 1000:.0f} ms after the first webhook was answered"
    longest = run.settings.prompt_seconds
    true("seconds from webhook to access", seconds < longest, f"{seconds:.3f}", expected=f"under {longest:g}")


@line(5, f"The same webhooks again, and {AT_ONCE} times at once: nothing happens twice", needs_sandbox=True)
def repeat(run: Run) -> Figures:
    """Every event of the purchase once more, then the last of them many times at the same moment."""
    purchase, payment = run.paid()
    run.await_quiet()
    before = _books(purchase)
    again = [status for event in purchase.events for status in run.sandbox.send_again(event)]
    at_once = run.sandbox.send_again(purchase.events[-1], times=AT_ONCE, at_once=True)
    same("answers to repeated webhooks", {200}, {*again, *at_once})
    run.await_quiet()
    after = _books(purchase)
    same("books of the user", before, after)
    counts = Counter(row["type"] for row in purchase.person.history())
    same("lines of history on the payment", 1, counts["payment.completed"])
    grants = [row for row in purchase.person.entitlements() if row["feature_code"] == FEATURE]
    same("grants of the feature", 1, len(grants))
    yield f"{len(again)} events again, then one {len(at_once)} times at once: all answered 200"
    completed = counts["payment.completed"]
    yield f"{len(after[0])} payment, {len(grants)} grant of {FEATURE}, {completed} payment.completed in the history"
    same("the payment", payment["id"], after[0][0])


@line(7, "A declined card: payment failed, no access; then the same buyer pays and has access", needs_sandbox=True)
def decline(run: Run) -> Figures:
    """Stripe's reason is kept, and the same checkout can still be paid."""
    person = run.new_person("IN")
    opened, _ = person.open_checkout(PLAN)
    landing = buyer.pay(opened["url"], card=buyer.DECLINED_CARD)
    same("the buyer left the page", False, landing.paid)
    failed = until("payment", person.payments, _failed, expected="one, failed")[0]
    check = person.check(FEATURE)
    same("access after a declined card", (False, "no_entitlement"), (check["allowed"], check["reason_code"]))
    true("the reason", bool(failed["failure_reason"]), failed["failure_reason"], expected="Stripe's words")
    intent = run.stripe.intent(failed["external_payment_id"])
    words = intent.last_payment_error.message if intent.last_payment_error else None
    same("Stripe's reason", words, failed["failure_reason"])
    yield f"payment {failed['status']}: {failed['failure_code']}, {failed['failure_reason']!r}; no access"
    true("second try", buyer.pay(opened["url"], card=buyer.GOOD_CARD).paid, False)
    paid = until("payment", person.payments, _succeeded, expected="one, succeeded")[0]
    until("access", lambda: person.check(FEATURE), lambda check: bool(check["allowed"]), expected="granted")
    same("the payment", failed["id"], paid["id"])
    yield f"the same payment {paid['status']} with another card; access granted"


def _state(session: Any) -> tuple[str, str, str]:
    return session.status, session.mode, session.payment_status


def _succeeded(payments: list[dict[str, Any]]) -> bool:
    return [payment["status"] for payment in payments] == ["succeeded"]


def _failed(payments: list[dict[str, Any]]) -> bool:
    return [payment["status"] for payment in payments] == ["failed"]


def _books(purchase: Purchase) -> tuple[list[str], list[tuple[str, str]], list[tuple[int, str]]]:
    """Return ids of payments, ids and states of grants, and the user's history: what a repeat must not change."""
    person = purchase.person
    return (
        [payment["id"] for payment in person.payments()],
        [(row["id"], row["status"]) for row in person.entitlements()],
        [(row["sequence"], row["type"]) for row in person.history()],
    )
