"""What Stripe's objects say, held against our books: money, statuses, periods, cards and access."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from billing import payments, policy, refunds, subscriptions
from billing.models import Customer, Dispute, Invoice, Payment, PaymentMethod, Refund, StripeCustomer, Subscription
from billing.policy import Access, Facts
from entitlements import access
from events.models import Event
from tests.stripe_side import StripeSide

Object = dict[str, Any]
LIVE_REFUNDS = ("pending", "succeeded", "requires_action")
# What is told once of each object, however often it was looked at.
ONCE = (
    *("payment.created", "payment.completed", "subscription.created", "subscription.canceled", "dispute.opened"),
    *("invoice.created", "invoice.paid", "refund.requested", "refund.succeeded", "refund.failed"),
)


def differences(stripe: StripeSide, users: list[str]) -> list[str]:
    """Name all that differs between our books and Stripe, and in itself, when nothing is under way any more."""
    there = {kind: _of_customers(stripe, kind) for kind in LISTS}
    there |= {kind: listed(stripe, kind) for kind in ("refunds", "disputes")}
    found = [*_payments(there), *_refunds(there), *_disputes(there), *_subscriptions(there), *_invoices(there)]
    found += [*_methods(there), *_histories()]
    for user_id in users:
        found += _access(stripe, there, user_id)
    return found


LISTS: dict[str, tuple[str, Object]] = {
    "intents": ("payment_intents", {"expand[]": "data.latest_charge"}),
    "subscriptions": ("subscriptions", {"status": "all"}),
    "invoices": ("invoices", {"expand[]": "data.payments"}),
}


def _of_customers(stripe: StripeSide, kind: str) -> list[Object]:
    # Those whose time was moved are in no list but their own.
    path, asked = LISTS[kind]
    known = {one["id"] for one in listed(stripe, "customers")}
    known |= set(StripeCustomer.objects.exclude(stripe_id=None).values_list("stripe_id", flat=True))
    return [found for customer in sorted(known) for found in listed(stripe, path, customer=customer, **asked)]


def listed(stripe: StripeSide, path: str, **asked: Any) -> list[Object]:
    """List all of a kind, newest first."""
    found: list[Object] = []
    while True:
        page = stripe.get(path, limit=100, **asked, **({"starting_after": found[-1]["id"]} if found else {}))
        found += page["data"]
        if not page["has_more"]:
            return found


def _payments(there: dict[str, list[Object]]) -> Iterator[str]:
    rows = {row.stripe_id: row for row in Payment.objects.all()}
    for intent in there["intents"]:
        row = rows.pop(intent["id"], None)
        if row is None:
            yield f"{intent['id']} ({intent['status']}) is missing here"
            continue
        back = sum(one["amount"] for one in _of(there["refunds"], intent) if one["status"] in LIVE_REFUNDS)
        lost = sum(one["amount"] for one in _of(there["disputes"], intent) if one["status"] == "lost")
        lost = min(lost, intent["amount_received"])
        disputed = any(one["status"] in (*Dispute.OPEN, "lost") for one in _of(there["disputes"], intent))
        yield from _differ(
            intent["id"],
            status=(row.status, str(payments.status_of(intent))),
            amount=(row.amount_minor, intent["amount"]),
            currency=(row.currency, intent["currency"]),
            captured=(row.captured_minor, intent["amount_received"]),
            refunded=(row.refunded_minor, min(back, intent["amount_received"] - lost)),
            lost=(row.lost_minor, lost),
            disputed=(row.disputed, disputed),
            charge=(row.stripe_charge_id, (intent["latest_charge"] or {}).get("id", "")),
        )
    # A page that was opened and not paid has no intent yet; one that Stripe refused has none for ever.
    for row in rows.values():
        if row.stripe_id or row.status not in ("pending", "canceled"):
            yield f"payment:{row.pk} ({row.status}, {row.stripe_id}) is missing there"


def _refunds(there: dict[str, list[Object]]) -> Iterator[str]:
    rows = {row.stripe_id: row for row in Refund.objects.all()}
    for found in there["refunds"]:
        row = rows.pop(found["id"], None)
        ours = (row.status, row.amount_minor) if row else None
        yield from _differ(found["id"], refund=(ours, (str(refunds.STATUS_OF[found["status"]]), found["amount"])))
    for row in rows.values():
        if row.status != "failed" or row.stripe_id:
            yield f"refund:{row.pk} ({row.status}) is missing there"


def _disputes(there: dict[str, list[Object]]) -> Iterator[str]:
    rows = {row.stripe_id: row for row in Dispute.objects.all()}
    for found in there["disputes"]:
        row = rows.pop(found["id"], None)
        ours = (row.status, row.amount_minor) if row else None
        yield from _differ(found["id"], dispute=(ours, (found["status"], found["amount"])))
    yield from (f"{stripe_id} is missing there" for stripe_id in rows)


def _subscriptions(there: dict[str, list[Object]]) -> Iterator[str]:
    rows = {row.stripe_id: row for row in Subscription.objects.all()}
    for found in there["subscriptions"]:
        row = rows.pop(found["id"], None)
        if row is None:
            yield f"{found['id']} ({found['status']}) is missing here"
            continue
        item = found["items"]["data"][0]
        cancel_at = found["cancel_at"] or (item["current_period_end"] if found["cancel_at_period_end"] else None)
        yield from _differ(
            found["id"],
            status=(row.status, str(subscriptions.status_of(row, found))),
            ends=(row.current_period_end, _moment(item["current_period_end"])),
            cancel_at=(row.cancel_at, _moment(cancel_at)),
            ended_at=(row.ended_at, _moment(found["ended_at"])),
            paused=(row.paused_at is not None, found["pause_collection"] is not None),
        )
        if row.status in Subscription.LIVE and not row.changes.filter(status="scheduled").exists():
            ours = {"amount": row.quote.amount_minor, "quantity": row.quantity}
            theirs = {"amount": item["price"]["unit_amount"], "quantity": item["quantity"]}
            yield from _differ(found["id"], billed=(ours, theirs))
    yield from (f"{stripe_id} is missing there" for stripe_id in rows)


def _invoices(there: dict[str, list[Object]]) -> Iterator[str]:
    rows = {row.stripe_id: row for row in Invoice.objects.exclude(status="deleted")}
    for found in there["invoices"]:
        row = rows.pop(found["id"], None)
        ours = (row.status, row.total_minor, row.amount_paid_minor, row.attempt_count) if row else None
        theirs = (found["status"], found["total"], found["amount_paid"], found["attempt_count"])
        yield from _differ(found["id"], invoice=(ours, theirs))
    yield from (f"{stripe_id} is missing there" for stripe_id in rows)


def _methods(there: dict[str, list[Object]]) -> Iterator[str]:
    used = {found["default_payment_method"] for found in there["subscriptions"]} - {None}
    for stripe_id in used - set(PaymentMethod.objects.values_list("stripe_id", flat=True)):
        yield f"{stripe_id}, which pays a subscription, is missing here"


def _histories() -> Iterator[str]:
    told: dict[str, list[Event]] = {}
    for event in Event.objects.order_by("subject", "sequence"):
        told.setdefault(event.subject, []).append(event)
    for subject, events in told.items():
        sequence = [event.sequence for event in events]
        if sequence != list(range(1, len(events) + 1)):
            yield f"the history of {subject} counts {sequence}"
        once = [(event.type, event.object) for event in events if event.type in ONCE]
        yield from (f"{type} of {object} is told twice" for type, object in set(once) if once.count((type, object)) > 1)


def _access(stripe: StripeSide, there: dict[str, list[Object]], user_id: str) -> Iterator[str]:
    customer = Customer.objects.filter(user_id=user_id).first()
    if customer is None or not customer.stripe_id:
        return
    now = stripe.http.get("/_sandbox/clock", params={"customer": customer.stripe_id}).json()["now"]
    at = datetime.fromtimestamp(now + 1, UTC)
    due = [
        _purchased(there, customer),
        *(_runs(there, one, at) for one in there["subscriptions"] if _his(one, customer)),
    ]
    if None in due and True not in due:
        return
    decision = access.check(user_id, "export", at=at)
    if decision.allowed != (True in due):
        yield f"{user_id} at {at}: {decision.reason_code}, where by Stripe it is {due}"


def _purchased(there: dict[str, list[Object]], customer: Customer) -> bool | None:
    """Say whether a purchase gives access; None when it was taken for good and the money came again later."""
    answers: list[bool | None] = [False]
    for intent in there["intents"]:
        if _his(intent, customer) and intent["status"] == "succeeded" and intent["metadata"].get("checkout_id"):
            back = _of(there["refunds"], intent)
            sums = {status: sum(one["amount"] for one in back if one["status"] == status) for status in _statuses(back)}
            whole = sums.get("succeeded", 0) + sums.get("pending", 0) >= intent["amount"]
            lost = any(one["status"] == "lost" for one in _of(there["disputes"], intent))
            was = sums.get("failed", 0) + sum(sums.get(one, 0) for one in LIVE_REFUNDS) >= intent["amount"]
            answers.append(False if whole or lost else None if was else True)
    return True if True in answers else None if None in answers else False


def _runs(there: dict[str, list[Object]], found: Object, at: datetime) -> bool:
    """Say whether a subscription gives access: the policy, asked about Stripe's own words."""
    ours = Subscription.objects.filter(stripe_id=found["id"]).first()
    if ours is None:
        return False  # It is named as missing already.
    item = found["items"]["data"][0]
    started = datetime.fromtimestamp(found["start_date"], UTC)
    row = Subscription(
        status=subscriptions.status_of(ours, found),
        started_at=started,
        current_period_start=_moment(item["current_period_start"]),
        current_period_end=_moment(item["current_period_end"]),
        cancel_at=_moment(
            found["cancel_at"] or (item["current_period_end"] if found["cancel_at_period_end"] else None)
        ),
        canceled_at=_moment(found["canceled_at"]),
        ended_at=_moment(found["ended_at"]),
        paused_at=at if found["pause_collection"] else None,
    )
    billed = [one for one in there["invoices"] if _billed(one) == found["id"]]
    skipped = any(_voided_by_a_pause(one, item) for one in billed)
    paid = [_ends(one) for one in billed if one["status"] == "paid" and one["billing_reason"] != "manual"]
    until = _moment(max(filter(None, paid), default=None))
    told = _facts(there, found)
    return _gives(policy.access_of(row, told, policy.rules(), skipped=skipped, paid_until=until), at)


def _ends(invoice: Object) -> int:
    # An invoice that bills nothing has no lines.
    return max((int(line["period"]["end"]) for line in invoice["lines"]["data"]), default=0)


def _voided_by_a_pause(invoice: Object, item: Object) -> bool:
    of_this_period = _ends(invoice) == item["current_period_end"]
    became = invoice["status_transitions"]
    return (
        (invoice["status"], invoice["billing_reason"], invoice["attempt_count"]) == ("void", "subscription_cycle", 0)
        and of_this_period
        and became["voided_at"] - became["finalized_at"] <= 60
    )


def _gives(given: Access, at: datetime) -> bool:
    last = given.grace_until or given.ends_at
    return given.given and not given.hold and not given.revoked and (last is None or at < last)


def _facts(there: dict[str, list[Object]], subscription: Object) -> Facts | None:
    his = {one["id"] for one in there["invoices"] if _billed(one) == subscription["id"]}
    ids = {
        paying["payment"].get("payment_intent")
        for one in there["invoices"]
        if one["id"] in his
        for paying in one["payments"]["data"]
    }
    paid = [one for one in there["intents"] if one["id"] in ids and one["amount_received"]]
    if not paid:
        return None
    # Newest first: of two in the same second the one made later.
    last = max(paid, key=lambda one: one["latest_charge"]["created"])
    back = [one for one in _of(there["refunds"], last) if one["status"] in LIVE_REFUNDS]
    done = [one for one in back if one["status"] == "succeeded"]
    return Facts(
        captured=last["amount_received"],
        refunded=sum(one["amount"] for one in done),
        returning=sum(one["amount"] for one in back if one not in done),
        refunded_at=max((datetime.fromtimestamp(one["created"], UTC) for one in back), default=None),
        disputes=tuple(
            (one["status"], datetime.fromtimestamp(one["created"], UTC)) for one in _of(there["disputes"], last)
        ),
    )


def _billed(invoice: Object) -> str | None:
    return ((invoice["parent"] or {}).get("subscription_details") or {}).get("subscription")


def _his(found: Object, customer: Customer) -> bool:
    return customer.stripe_customers.filter(stripe_id=found["customer"]).exists()


def _of(found: list[Object], intent: Object) -> list[Object]:
    return [one for one in found if one["payment_intent"] == intent["id"]]


def _statuses(found: list[Object]) -> set[str]:
    return {one["status"] for one in found}


def _moment(at: int | None) -> datetime | None:
    return None if at is None else datetime.fromtimestamp(at, UTC)


def _differ(name: str, **pairs: tuple[Any, Any]) -> Iterator[str]:
    yield from (
        f"{name} {what}: {ours} here, {theirs} there" for what, (ours, theirs) in pairs.items() if ours != theirs
    )
