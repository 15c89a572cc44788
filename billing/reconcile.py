"""Our books against Stripe's: what is missing, and what differs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from billing import customers, findings, gateway, payments, refunds, subscriptions, sync
from billing.models import Finding, Payment, Refund, Subscription

Object = dict[str, Any]
Kind = Finding.Kind


@dataclass(frozen=True, slots=True)
class Difference:
    kind: Finding.Kind
    object: str
    ours: str
    theirs: str


@dataclass(slots=True)
class Report:
    """How many objects of each kind were compared, and what differs."""

    compared: dict[str, int] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)


def compare(*, since: datetime) -> Report:
    """Compare payments, subscriptions and refunds made since a moment, there or here. Writes nothing.

    Only what belongs to our customers counts: an account may serve other software too. Raises StripeUnknown.
    """
    report = Report()
    for kind, differences_of in COMPARED.items():
        there = {one["id"]: one for one in gateway.listed(kind, since=int(since.timestamp())) if _ours(one)}
        report.differences.extend(_complete(there, kind, since))
        for found in there.values():
            report.differences.extend(differences_of(found))
        report.compared[kind] = len(there)
    return report


def settle(report: Report, *, since: datetime) -> None:
    """Look again at what differs, and open a finding for what differs in the same way after it.

    `since` is the window of the report. What nobody could look at waits for the next time. Raises StripeUnknown.
    """
    objects = {difference.object for difference in report.differences}
    waits = {one for one in objects if one.startswith(("pi_", "sub_")) and not sync.try_look(one)}
    for difference in compare(since=since).differences if objects else ():
        if difference in report.differences and difference.object not in waits:
            findings.open(difference.kind, difference.object, ours=difference.ours, theirs=difference.theirs)


def _ours(found: Object) -> bool:
    if gateway.our_id(found, "refund_id") or gateway.our_id(found, "checkout_id"):
        return True
    # Both may be null there, and here while Stripe has not been asked: "" is nobody's.
    if found["object"] == "refund":
        return Payment.objects.filter(stripe_id=found["payment_intent"] or "").exists()
    return customers.with_stripe_id(gateway.id_of(found["customer"])) is not None


def _payment(found: Object) -> Iterator[Difference]:
    row = Payment.objects.filter(stripe_id=found["id"]).first()
    if row is None:
        yield Difference(Kind.MISSING_HERE, found["id"], "", found["status"])
        return
    yield from _money(found["id"], row.amount_minor, row.currency, found["amount"], found["currency"])
    if row.captured_minor != found["amount_received"]:
        yield Difference(Kind.AMOUNT, found["id"], str(row.captured_minor), str(found["amount_received"]))
    if row.status != payments.status_of(found):
        yield Difference(Kind.STATUS, found["id"], row.status, found["status"])


def _subscription(found: Object) -> Iterator[Difference]:
    row = Subscription.objects.filter(stripe_id=found["id"]).first()
    if row is None:
        yield Difference(Kind.MISSING_HERE, found["id"], "", found["status"])
    elif row.status != subscriptions.status_of(row, found):
        yield Difference(Kind.STATUS, found["id"], row.status, found["status"])


def _refund(found: Object) -> Iterator[Difference]:
    row = Refund.objects.filter(stripe_id=found["id"]).first()
    if row is None:
        yield Difference(Kind.MISSING_HERE, found["payment_intent"], "", f"refund {found['id']}")
        return
    yield from _money(found["id"], row.amount_minor, row.currency, found["amount"], found["currency"])
    if row.status != refunds.STATUS_OF[found["status"]]:
        yield Difference(Kind.STATUS, found["payment_intent"], row.status, found["status"])


def _money(object: str, ours: int, our_currency: str, theirs: int, their_currency: str) -> Iterator[Difference]:
    if our_currency != their_currency:
        yield Difference(Kind.CURRENCY, object, our_currency, their_currency)
    elif ours != theirs:
        yield Difference(Kind.AMOUNT, object, str(ours), str(theirs))


def _complete(there: dict[str, Object], kind: str, since: datetime) -> Iterator[Difference]:
    """Add what our rows of the window name and Stripe's list left out: made earlier, or by a test clock.

    Yields what we believe in and Stripe does not know.
    """
    for row in _rows(kind, since):
        if row.stripe_id not in there and (found := gateway.fetch(str(row.stripe_id))):
            there[found["id"]] = found
        elif row.stripe_id not in there:
            yield Difference(Kind.MISSING_THERE, str(row.stripe_id), row.status, "")


def _rows(kind: str, since: datetime) -> Iterable[Payment | Subscription]:
    if kind == "payment_intents":
        return Payment.objects.filter(status=Payment.Status.SUCCEEDED, created_at__gte=since)
    if kind == "subscriptions":
        return Subscription.objects.filter(created_at__gte=since)
    return ()


COMPARED: dict[str, Callable[[Object], Iterator[Difference]]] = {
    "payment_intents": _payment,
    "subscriptions": _subscription,
    "refunds": _refund,
}
