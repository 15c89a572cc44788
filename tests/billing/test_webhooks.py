"""The door for Stripe's events: what is verified is stored, the rest never was."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connection, transaction
from django.test import Client

from billing import gateway, leases, sync, webhooks
from billing.errors import LeaseLost
from billing.models import Payment, Subscription, WebhookEvent
from events import clock
from tests.buyer import Buyer
from tests.stripe_side import StripeSide

EVENT = {
    "id": "evt_1",
    "object": "event",
    "type": "customer.discount.created",
    "created": 1_790_000_000,
    "livemode": False,
    "data": {"object": {"id": "di_1", "object": "discount"}},
}


def body(**changes: object) -> bytes:
    return json.dumps({**EVENT, **changes}).encode()


@pytest.mark.parametrize("path", ["/api/v1/webhooks/stripe", "/payments/webhook"])
def test_both_urls_of_the_source_documents_lead_to_one_door(books: None, stripe_side: StripeSide, path: str) -> None:
    """WH-01, ruling 11."""
    signature = stripe_side.sign(body())

    answer = Client().post(path, body(), content_type="application/json", headers={"Stripe-Signature": signature})

    assert (answer.status_code, answer.json()) == (200, {"received": True, "duplicate": False})
    assert WebhookEvent.objects.get().stripe_id == "evt_1"


def test_an_unknown_type_is_kept_and_ignored(books: None, stripe_side: StripeSide) -> None:
    """WH-04: stored for audit, worked on never."""
    stripe_side.send(body())

    assert WebhookEvent.objects.get().status == "ignored"


@pytest.mark.parametrize(
    ("signature", "why"),
    [
        ("", "absent"),
        ("t=1,v1=00", "forged and old"),
        ("v1=00", "no time"),
        ("nonsense", "unreadable"),
        ("t=abc,v1=00", "no number"),
    ],
)
def test_a_forged_signature_stores_nothing(books: None, stripe_side: StripeSide, signature: str, why: str) -> None:
    """WH-02, WH-07: 400 with a problem, and no row."""
    answer = stripe_side.send(body(), signature=signature)

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_signature"), why
    assert not WebhookEvent.objects.exists()


def test_an_old_timestamp_is_refused(books: None, stripe_side: StripeSide) -> None:
    """A recorded delivery cannot be played again after 300 s."""
    answer = stripe_side.send(body(), at=time.time() - 400)

    assert answer.status_code == 400
    assert not WebhookEvent.objects.exists()


def test_a_changed_body_is_refused(books: None, stripe_side: StripeSide) -> None:
    """WH-07: a modified payload."""
    answer = stripe_side.send(body(livemode=True), signature=stripe_side.sign(body()))

    assert answer.status_code == 400
    assert not WebhookEvent.objects.exists()


def test_two_secrets_hold_while_one_takes_the_place_of_the_other(
    books: None, stripe_side: StripeSide, settings: LazySettings
) -> None:
    """WH-02: no event is lost while Stripe changes over, and the old secret is worth nothing afterwards."""
    old = stripe_side.secret
    settings.STRIPE_WEBHOOK_SECRET, settings.STRIPE_WEBHOOK_SECRET_PREVIOUS = "whsec_new", old

    by_old = stripe_side.send(body(id="evt_old"), signature=stripe_side.sign(body(id="evt_old"), secret=old))
    by_new = stripe_side.send(body(id="evt_new"), signature=stripe_side.sign(body(id="evt_new"), secret="whsec_new"))
    by_other = stripe_side.send(body(id="evt_other"), signature=stripe_side.sign(body(id="evt_other"), secret="x"))
    settings.STRIPE_WEBHOOK_SECRET_PREVIOUS = ""
    afterwards = stripe_side.send(body(id="evt_late"), signature=stripe_side.sign(body(id="evt_late"), secret=old))

    answers = [by_old.status_code, by_new.status_code, by_other.status_code, afterwards.status_code]
    assert answers == [200, 200, 400, 400]
    assert set(WebhookEvent.objects.values_list("stripe_id", flat=True)) == {"evt_old", "evt_new"}


def test_without_any_secret_nothing_is_believed(books: None, stripe_side: StripeSide, settings: LazySettings) -> None:
    """Not even what is signed with an empty one."""
    settings.STRIPE_WEBHOOK_SECRET = ""

    assert stripe_side.send(body(), signature=stripe_side.sign(body(), secret=" ")).status_code == 400


def test_another_secret_is_refused(books: None, stripe_side: StripeSide) -> None:
    """WH-07: the wrong secret."""
    answer = stripe_side.send(body(), signature=stripe_side.sign(body(), secret="whsec_other"))

    assert answer.status_code == 400


def test_a_large_body_is_refused_before_it_is_read(books: None, stripe_side: StripeSide) -> None:
    """1 MB: 413."""
    large = body(padding="x" * 1_000_000)

    answer = stripe_side.send(large)

    assert answer.status_code == 413
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert not WebhookEvent.objects.exists()


@pytest.mark.parametrize(
    "broken",
    [
        b"not json",
        b"[]",
        b"{}",
        b"\xff\xfe",
        body(id=None),
        body(id="e" * 256),
        body(type=7),
        body(created="yesterday"),
        body(created=10**30),
        body(data={}),
        body(data={"object": 5}),
        body(id="evt\x00"),
    ],
)
def test_a_signed_body_that_is_no_event_is_refused(books: None, stripe_side: StripeSide, broken: bytes) -> None:
    """A 4xx that says so, never a 500, and nothing stored."""
    try:
        signature = stripe_side.sign(broken)
    finally:
        answer = stripe_side.send(broken, signature=signature)

    assert answer.status_code == 400
    assert not WebhookEvent.objects.exists()


def test_eight_deliveries_at_once_store_one_event(books: None, stripe_side: StripeSide) -> None:
    """WH-04: the unique constraint decides, and all eight are answered 200."""

    def send(_: int) -> tuple[int, bool]:
        answer = stripe_side.send(body())
        connection.close()
        return answer.status_code, answer.json()["duplicate"]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(send, range(8)))

    assert sorted(answers) == [(200, False)] + [(200, True)] * 7
    assert WebhookEvent.objects.count() == 1


TYPES = [
    ("payment_intent.succeeded", {"id": "pi_1"}, "pi_1"),
    ("payment_intent.payment_failed", {"id": "pi_1"}, "pi_1"),
    ("customer.subscription.created", {"id": "sub_1"}, "sub_1"),
    ("customer.subscription.updated", {"id": "sub_1"}, "sub_1"),
    ("customer.subscription.deleted", {"id": "sub_1"}, "sub_1"),
    ("customer.subscription.paused", {"id": "sub_1"}, "sub_1"),
    ("customer.subscription.resumed", {"id": "sub_1"}, "sub_1"),
    ("customer.subscription.trial_will_end", {"id": "sub_1"}, "sub_1"),
    ("subscription_schedule.updated", {"id": "sub_sched_1", "subscription": "sub_1"}, "sub_1"),
    ("invoice.paid", {"id": "in_1"}, "in_1"),
    ("invoice.payment_failed", {"id": "in_1"}, "in_1"),
    ("invoice.payment_action_required", {"id": "in_1"}, "in_1"),
    ("invoice.upcoming", {"parent": {"subscription_details": {"subscription": "sub_1"}}}, "sub_1"),
    ("invoice_payment.paid", {"id": "inpay_1", "invoice": "in_1"}, "in_1"),
    ("charge.succeeded", {"id": "ch_1", "payment_intent": "pi_1"}, "pi_1"),
    ("charge.refunded", {"id": "ch_1", "payment_intent": "pi_1"}, "pi_1"),
    ("charge.refund.updated", {"id": "re_1", "payment_intent": "pi_1"}, "pi_1"),
    ("charge.refunded", {"id": "ch_1", "payment_intent": {"id": "pi_1"}}, "pi_1"),
    ("refund.created", {"id": "re_1", "payment_intent": "pi_1"}, "pi_1"),
    ("refund.updated", {"id": "re_1", "payment_intent": "pi_1"}, "pi_1"),
    ("refund.failed", {"id": "re_1", "payment_intent": "pi_1"}, "pi_1"),
    ("checkout.session.completed", {"id": "cs_1"}, "cs_1"),
    ("checkout.session.expired", {"id": "cs_1"}, "cs_1"),
    ("checkout.session.async_payment_succeeded", {"id": "cs_1"}, "cs_1"),
    ("charge.succeeded", {"id": "ch_1", "payment_intent": None}, ""),
    ("customer.discount.created", {"id": "di_1"}, ""),
    ("product.updated", {"id": "prod_1"}, ""),
    ("payment_intent.succeeded", {"id": ["pi_1"]}, ""),
    ("invoice.upcoming", {"parent": "in_1"}, ""),
]


@pytest.mark.parametrize(("type", "stripe_object", "looked_at"), TYPES)
def test_every_type_names_what_is_looked_at_again(type: str, stripe_object: dict[str, Any], looked_at: str) -> None:
    """WH-03, WH-05; of no use to us: nothing."""
    assert webhooks.looks_at(type, stripe_object) == looked_at


@pytest.mark.parametrize(
    ("type", "stripe_id"),
    [
        ("customer.updated", "cus_1"),
        ("payment_method.attached", "pm_1"),
        ("charge.dispute.created", "du_1"),
    ],
)
def test_what_can_be_fetched_is_looked_at_and_what_cannot_is_not(type: str, stripe_id: str) -> None:
    """The table may name more than the gateway fetches: then it falls to the next field, or to nothing."""
    also = "pi_1" if type.startswith("charge.dispute.") else ""

    found = webhooks.looks_at(type, {"id": stripe_id, "payment_intent": "pi_1", "payment_method": "pm_1"})

    assert found == (stripe_id if gateway.fetches(stripe_id) else also)


def test_one_look_at_a_subscription_serves_the_events_of_its_invoice_and_payment(buyer: Buyer) -> None:
    """Ten events of each of ten subscriptions, mixed: at most two fetches for each."""
    buyers = [Buyer(buyer.stripe, f"user-{number}") for number in range(10)]
    for each in buyers:
        each.subscribe()
    subscriptions = [Subscription.objects.get(customer__user_id=each.user_id) for each in buyers]
    for subscription in subscriptions:
        invoice = buyer.stripe.get(f"subscriptions/{subscription.stripe_id}")["latest_invoice"]
        intent = Payment.objects.get(subscription=subscription).stripe_id
        crowd = [(subscription.stripe_id, "customer.subscription.updated", 4), (invoice, "invoice.updated", 3)]
        for stripe_id, type, times in [*crowd, (intent, "payment_intent.processing", 3)]:
            for _ in range(times):
                buyer.stripe.control("events", object=stripe_id, type=type)
    events = buyer.stripe.deliver(shuffled=1, work=False)
    before = fetches(buyer.stripe)

    sync.drain()

    assert len(events) == 100
    assert not WebhookEvent.objects.filter(status__in=WebhookEvent.WAITING).exists()
    assert fetches(buyer.stripe) - before <= 20


def fetches(stripe: StripeSide) -> int:
    log = stripe.http.get("/_sandbox/requests").json()["data"]
    return sum(one["method"] == "GET" for one in log)


def test_an_event_that_comes_while_its_object_is_fetched_is_looked_at_anew(buyer: Buyer) -> None:
    """The twin of coalescing: what came after the look began is not served by it."""
    checkout = buyer.order()
    buyer.stripe.pay(str(checkout.stripe_id))
    before = clock.now()
    buyer.stripe.deliver(work=False)

    assert not webhooks.waiting(str(checkout.stripe_id), at=before)
    assert webhooks.waiting(str(checkout.stripe_id), at=clock.now())


def test_one_look_serves_many_events(buyer: Buyer) -> None:
    """However many events asked, one fetch of the object answers them all."""
    checkout = buyer.order()
    buyer.stripe.pay(str(checkout.stripe_id))
    buyer.stripe.deliver(work=False)
    intent = buyer.stripe.get("payment_intents")["data"][0]["id"]
    assert len(webhooks.waiting(intent, at=clock.now())) >= 2

    sync.look(intent)

    assert not webhooks.waiting(intent, at=clock.now())
    assert len(buyer.stripe.requests("GET", f"/v1/payment_intents/{intent}")) == 1


def test_a_holder_of_the_lease_is_not_disturbed_and_serves_who_comes_meanwhile(buyer: Buyer) -> None:
    """Two looks at one object never run side by side."""
    checkout = buyer.order()
    held = leases.take(str(checkout.stripe_id))
    assert held

    assert not sync.look(str(checkout.stripe_id))

    leases.release(held)
    assert sync.look(str(checkout.stripe_id))


def test_who_lost_the_lease_writes_nothing(buyer: Buyer) -> None:
    """A fence: a slow looker whose time is over finds that somebody else has it."""
    checkout = buyer.order()
    slow = leases.take(str(checkout.stripe_id))
    assert slow
    with connection.cursor() as cursor:
        cursor.execute("UPDATE billing_lease SET held_until = clock_timestamp()")
    assert leases.take(str(checkout.stripe_id))

    with pytest.raises(LeaseLost), transaction.atomic():
        leases.require(slow)


def test_a_lease_is_never_waited_for(buyer: Buyer) -> None:
    """Whoever holds the row inside his transaction, even standing still, keeps no sweep waiting."""
    checkout = buyer.order()
    held = leases.take(str(checkout.stripe_id))
    assert held
    leases.release(held)

    def ask() -> leases.Held | None:
        try:
            return leases.take(str(checkout.stripe_id))
        finally:
            connection.close()

    with transaction.atomic(), ThreadPoolExecutor(1) as pool:
        leases.require(held)
        assert pool.submit(ask).result(timeout=60) is None
