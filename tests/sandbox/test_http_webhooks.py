"""Webhooks: signed, again after failures, and as badly ordered as a test wishes."""

import json
from collections import Counter

import pytest
import requests
import stripe

from tests.sandbox.conftest import SECRET, Sandbox

HEADERS = {"Authorization": "Bearer sk_test_x"}


def test_a_delivery_is_signed_as_stripes_client_checks_it(sandbox: Sandbox) -> None:
    customer = sandbox.client.v1.customers.create({"email": "a@example.com"}, {"idempotency_key": "k"})
    sandbox.deliver()

    arrival = sandbox.receiver.arrivals[0]
    event = stripe.Webhook.construct_event(arrival.body, arrival.signature, SECRET)
    assert (event.type, event.data.object["id"], event.api_version) == (
        "customer.created",
        customer.id,
        stripe.api_version,
    )
    assert arrival.event["request"]["idempotency_key"] == "k"
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(arrival.body, arrival.signature, "whsec_of_somebody_else")


def test_without_a_pause_events_leave_by_themselves(sandbox: Sandbox) -> None:
    sandbox.control("webhooks", mode="normal")

    sandbox.client.v1.customers.create({})

    assert sandbox.receiver.wait_for(1)[0].event["type"] == "customer.created"


def test_an_update_tells_what_it_changed(sandbox: Sandbox) -> None:
    customer = sandbox.client.v1.customers.create({"email": "a@example.com"})
    sandbox.client.v1.customers.update(customer.id, {"email": "b@example.com"})

    sandbox.deliver()

    data = sandbox.receiver.arrivals[1].event["data"]
    assert data["previous_attributes"] == {"email": "a@example.com"}
    assert data["object"]["email"] == "b@example.com"


def test_a_failed_delivery_is_tried_again(sandbox: Sandbox) -> None:
    sandbox.receiver.answers.extend([500])
    sandbox.client.v1.customers.create({})

    sandbox.control("webhooks", mode="normal")

    first, second = sandbox.receiver.wait_for(2)
    assert first.event["id"] == second.event["id"]


def test_a_flush_gives_each_answer(sandbox: Sandbox) -> None:
    sandbox.receiver.answers.extend([200, 500])
    sandbox.client.v1.customers.create({})
    sandbox.client.v1.customers.create({})

    flushed = sandbox.control("webhooks/flush")

    assert (flushed["count"], flushed["statuses"]) == (2, [200, 500])
    assert sandbox.control("webhooks/flush")["statuses"] == [200]


def test_pending_webhooks_falls_when_an_event_arrives(sandbox: Sandbox) -> None:
    sandbox.client.v1.customers.create({})
    event = sandbox.client.v1.events.list().data[0]

    sandbox.deliver()

    assert event.pending_webhooks == 1
    assert sandbox.client.v1.events.retrieve(event.id).pending_webhooks == 0


def test_a_duplicate_is_the_same_event(sandbox: Sandbox) -> None:
    sandbox.control("webhooks", mode="duplicate", times=3)

    sandbox.client.v1.customers.create({})

    arrivals = sandbox.receiver.wait_for(3)
    assert len({arrival.event["id"] for arrival in arrivals}) == 1


def test_a_header_duplicates_the_events_of_one_request(sandbox: Sandbox) -> None:
    headers = HEADERS | {"Sandbox-Webhooks": "duplicate; times=4"}
    requests.post(f"{sandbox.url}/v1/customers", headers=headers, timeout=10)
    sandbox.client.v1.products.create({"name": "Pro"})

    assert Counter(sandbox.deliver()) == {"customer.created": 4, "product.created": 1}


def test_dropped_events_never_come_and_can_be_listed(sandbox: Sandbox) -> None:
    sandbox.control("webhooks", mode="drop", times=1)
    sandbox.client.v1.customers.create({})
    sandbox.control("webhooks", mode="paused")
    sandbox.client.v1.products.create({"name": "Pro"})

    assert sandbox.deliver() == ["product.created"]
    assert [each.type for each in sandbox.client.v1.events.list().data] == ["product.created", "customer.created"]


def test_shuffled_events_all_come_in_another_order(sandbox: Sandbox) -> None:
    sandbox.control("webhooks", mode="shuffle")
    names = [f"product {number}" for number in range(12)]
    for name in names:
        sandbox.client.v1.products.create({"name": name})

    sandbox.deliver()
    came = [arrival.event["data"]["object"]["name"] for arrival in sandbox.receiver.wait_for(12)]

    assert sorted(came) == sorted(names)
    assert came != names


def test_a_delayed_event_comes_later(sandbox: Sandbox) -> None:
    sandbox.control("webhooks", mode="delay", delay_ms=100)

    sandbox.client.v1.customers.create({})

    at_once = len(sandbox.receiver.arrivals)
    assert (at_once, len(sandbox.receiver.wait_for(1))) == (0, 1)


def test_an_event_may_come_before_the_reply(sandbox: Sandbox) -> None:
    sandbox.control("webhooks", mode="normal", before_reply=True)

    sandbox.client.v1.customers.create({})

    assert sandbox.receiver.types == ["customer.created"]


def test_an_event_is_sent_again_eight_times_at_once(sandbox: Sandbox) -> None:
    sandbox.client.v1.customers.create({})
    event = sandbox.client.v1.events.list().data[0]

    again = sandbox.control(f"events/{event.id}/send", times=8, at_once=True)

    assert again["statuses"] == [200] * 8
    assert sandbox.receiver.types == ["customer.created"] * 8


def test_an_endpoint_made_by_the_api_hears_what_it_asked_for(sandbox: Sandbox) -> None:
    made = sandbox.client.v1.webhook_endpoints.create(
        {"url": sandbox.receiver.url + "?second", "enabled_events": ["product.created"]}
    )
    sandbox.client.v1.customers.create({})
    sandbox.client.v1.products.create({"name": "Pro"})
    sandbox.deliver()

    signed = [
        arrival
        for arrival in sandbox.receiver.arrivals
        if _signed_with(made.secret or "", arrival.body, arrival.signature)
    ]
    assert [json.loads(arrival.body)["type"] for arrival in signed] == ["product.created"]


def test_a_disabled_or_deleted_endpoint_hears_nothing(sandbox: Sandbox) -> None:
    known = sandbox.client.v1.webhook_endpoints.list().data[0]
    sandbox.client.v1.webhook_endpoints.update(known.id, {"disabled": True})
    sandbox.client.v1.customers.create({})
    silent = sandbox.deliver()

    sandbox.client.v1.webhook_endpoints.delete(known.id)

    assert silent == []
    assert sandbox.client.v1.webhook_endpoints.list().data == []


def test_events_are_listed_by_type(sandbox: Sandbox) -> None:
    sandbox.client.v1.customers.create({})
    sandbox.client.v1.products.create({"name": "Pro"})

    by_type = sandbox.client.v1.events.list({"type": "product.*"}).data
    by_types = sandbox.client.v1.events.list({"types": ["customer.created", "product.created"]}).data

    assert [each.type for each in by_type] == ["product.created"]
    assert len(by_types) == 2


def _signed_with(secret: str, body: bytes, signature: str) -> bool:
    try:
        return bool(stripe.WebhookSignature.verify_header(body.decode(), signature, secret))
    except stripe.SignatureVerificationError:
        return False
