"""How our rows are held against Stripe's objects: one entry a kind. Reads only.

Only what belongs to our customers counts: an account may serve other software too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet

from billing import changes, customers, gateway, invoices, payments, refunds, subscriptions
from billing.at_stripe.lists import Window
from billing.models import Checkout, Dispute, Finding, Invoice, Payment, Refund, Subscription

Object = dict[str, Any]
Kind = Finding.Kind


@dataclass(frozen=True, slots=True)
class Difference:
    """`object` names it in a finding; `stripe_id` is what was compared, `look` what to look at again ("": nothing)."""

    kind: Finding.Kind
    object: str
    ours: str
    theirs: str
    stripe_id: str = ""
    look: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One kind of object, and how its ids begin.

    `rows`: ours that Stripe must know. `is_ours` says whether an object belongs to us, `differences` how it differs
    from our row.
    """

    kind: str
    prefixes: tuple[str, ...]
    rows: Callable[[], QuerySet[Any]]
    is_ours: Callable[[Object], bool]
    differences: Callable[[Object], Iterator[Difference]]

    def expected(self, window: Window) -> Iterable[str]:
        """Return the Stripe ids of our rows of a window that Stripe must know."""
        made = self.rows().filter(created_at__gte=window.since).exclude(stripe_id=None)
        if window.until:
            made = made.filter(created_at__lt=window.until)
        return made.values_list("stripe_id", flat=True).iterator()


def again(stripe_id: str) -> list[Difference]:
    """Compare one object as it is now. Raises StripeUnknown."""
    comparison = next(one for one in COMPARED.values() if stripe_id.startswith(one.prefixes))
    if found := gateway.fetch(stripe_id):
        return list(comparison.differences(found))
    row = comparison.rows().filter(stripe_id=stripe_id).first()
    return [missing_there(stripe_id, row.status, look=_look_of(row))] if row else []


def missing_there(stripe_id: str, ours: str, *, look: str = "") -> Difference:
    """Say that we believe in what Stripe does not know."""
    return Difference(Kind.MISSING_THERE, stripe_id, ours, "", stripe_id, look or stripe_id)


def _look_of(row: Any) -> str:
    # A refund and a dispute are seen through the payment that they take from.
    return str(row.payment.stripe_id if isinstance(row, Refund | Dispute) else row.stripe_id)


def _of_our_customer(found: Object) -> bool:
    named = any(gateway.our_id(found, name) for name in ("checkout_id", "payment_id", "subscription_order_id"))
    return named or customers.with_stripe_id(gateway.id_of(found["customer"])) is not None


def _of_our_payment(found: Object) -> bool:
    named = gateway.our_id(found, "refund_id") is not None
    return named or Payment.objects.filter(stripe_id=gateway.id_of(found["payment_intent"]) or "").exists()


def _of_our_subscription_or_customer(found: Object) -> bool:
    # One of a subscription that is none of ours follows it, whoever the customer is.
    if stripe_id := invoices.subscription_of(found):
        return Subscription.objects.filter(stripe_id=stripe_id).exists()
    return customers.with_stripe_id(gateway.id_of(found["customer"])) is not None


def _payment(found: Object) -> Iterator[Difference]:
    id = found["id"]
    row = Payment.objects.filter(stripe_id=id).first()
    if row is None:
        yield Difference(Kind.MISSING_HERE, id, "", found["status"], id, id)
        return
    yield from _money(id, (row.amount_minor, row.currency), (found["amount"], found["currency"]), look=id)
    if row.captured_minor != found["amount_received"]:
        yield Difference(Kind.AMOUNT, id, str(row.captured_minor), str(found["amount_received"]), id, id)
    if row.status != payments.status_of(found):
        yield Difference(Kind.STATUS, id, row.status, found["status"], id, id)


def _subscription(found: Object) -> Iterator[Difference]:
    id = found["id"]
    row = Subscription.objects.filter(stripe_id=id).first()
    if row is None:
        yield Difference(Kind.MISSING_HERE, id, "", found["status"], id, id)
        return
    if row.status != subscriptions.status_of(row, found):
        yield Difference(Kind.STATUS, id, row.status, found["status"], id, id)
    elif said := subscriptions.differs(row, found):
        yield Difference(Kind.STATUS, id, said[0], said[1], id, id)
    # What waits for the next period is billed at Stripe already.
    if found["status"] not in changes.ENDED and changes.open_of(row) is None:
        yield from _billed(row, found)


def _billed(row: Subscription, found: Object) -> Iterator[Difference]:
    rows = row.items.filter(removed_at=None).select_related("quote")
    ours = {one.stripe_id: f"{one.quantity} x {one.quote.amount_minor} {one.quote.currency}" for one in rows}
    theirs = {
        item["id"]: f"{item.get('quantity')} x {item['price']['unit_amount']} {item['price']['currency']}"
        for item in found["items"]["data"]
    }
    # One that has no items yet began before they were kept.
    if ours and ours != theirs:
        told = [", ".join(sorted(each.values())) for each in (ours, theirs)]
        yield Difference(Kind.AMOUNT, found["id"], told[0], told[1], found["id"], found["id"])


def _refund(found: Object) -> Iterator[Difference]:
    id, intent = found["id"], gateway.id_of(found["payment_intent"]) or ""
    row = Refund.objects.filter(stripe_id=id).first()
    if row is None:
        yield Difference(Kind.MISSING_HERE, id, "", found["status"], id, intent)
        return
    yield from _money(id, (row.amount_minor, row.currency), (found["amount"], found["currency"]), look=intent)
    if row.status != refunds.STATUS_OF[found["status"]]:
        yield Difference(Kind.STATUS, id, row.status, found["status"], id, intent)


def _checkout(found: Object) -> Iterator[Difference]:
    id = found["id"]
    named = Q(stripe_id=id) | Q(pk=gateway.our_id(found, "checkout_id"), stripe_id=None)
    row = Checkout.objects.select_related("quote").filter(named).first()
    if row is None:
        yield Difference(Kind.MISSING_HERE, id, "", found["status"], id, id)
        return
    # On a trial nothing is due on the page.
    if row.mode == Checkout.Mode.PAYMENT or found["amount_subtotal"]:
        quoted, shown = (row.quote.amount_minor, row.quote.currency), (found["amount_subtotal"], found["currency"])
        # Named as the look names it: one finding, whoever sees it first.
        yield from _money(id, quoted, shown, look=id, object=f"checkout:{row.pk}")
    if row.status != found["status"]:
        yield Difference(Kind.STATUS, id, row.status, found["status"], id, id)


def _invoice(found: Object) -> Iterator[Difference]:
    id = found["id"]
    row = Invoice.objects.filter(stripe_id=id).first()
    if row is None:
        yield Difference(Kind.MISSING_HERE, id, "", found["status"], id, id)
        return
    yield from _money(id, (row.total_minor, row.currency), (found["total"], found["currency"]), look=id)
    if row.amount_paid_minor != found["amount_paid"]:
        yield Difference(Kind.AMOUNT, id, str(row.amount_paid_minor), str(found["amount_paid"]), id, id)
    if row.status != found["status"]:
        yield Difference(Kind.STATUS, id, row.status, found["status"], id, id)


def _dispute(found: Object) -> Iterator[Difference]:
    id, intent = found["id"], gateway.id_of(found["payment_intent"]) or ""
    row = Dispute.objects.filter(stripe_id=id).first()
    if row is None:
        yield Difference(Kind.MISSING_HERE, id, "", found["status"], id, intent)
        return
    yield from _money(id, (row.amount_minor, row.currency), (found["amount"], found["currency"]), look=intent)
    if row.status != found["status"]:
        yield Difference(Kind.STATUS, id, row.status, found["status"], id, intent)


def _money(
    id: str, ours: tuple[int, str], theirs: tuple[int, str], *, look: str, object: str = ""
) -> Iterator[Difference]:
    if ours[1] != theirs[1]:
        yield Difference(Kind.CURRENCY, object or id, ours[1], theirs[1], id, look)
    elif ours[0] != theirs[0]:
        yield Difference(Kind.AMOUNT, object or id, str(ours[0]), str(theirs[0]), id, look)


COMPARED = {
    one.kind: one
    for one in (
        Comparison(
            "payment_intents",
            ("pi_",),
            lambda: Payment.objects.filter(status=Payment.Status.SUCCEEDED),
            _of_our_customer,
            _payment,
        ),
        Comparison("subscriptions", ("sub_",), Subscription.objects.all, _of_our_customer, _subscription),
        Comparison(
            "refunds", ("re_",), lambda: Refund.objects.filter(status__in=Refund.LIVE), _of_our_payment, _refund
        ),
        Comparison(
            "checkouts",
            ("cs_",),
            Checkout.objects.all,
            lambda found: gateway.our_id(found, "checkout_id") is not None,
            _checkout,
        ),
        Comparison(
            "invoices",
            ("in_",),
            lambda: Invoice.objects.exclude(status=Invoice.Status.DELETED),
            _of_our_subscription_or_customer,
            _invoice,
        ),
        # Both prefixes live: docs.stripe.com/api/disputes shows `du_`, older accounts hold `dp_`.
        Comparison("disputes", ("du_", "dp_"), Dispute.objects.all, _of_our_payment, _dispute),
    )
}
