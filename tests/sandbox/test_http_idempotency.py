"""Idempotency keys as Stripe v1 has them."""

import threading

import pytest
import requests
import stripe

from tests.sandbox.conftest import Sandbox


def test_the_same_key_gives_the_same_answer_and_does_the_work_once(sandbox: Sandbox) -> None:
    first = sandbox.client.v1.customers.create({"email": "a@example.com"}, {"idempotency_key": "k"})
    again = sandbox.client.v1.customers.create({"email": "a@example.com"}, {"idempotency_key": "k"})

    assert again.id == first.id
    assert again.last_response.headers["Idempotent-Replayed"] == "true"
    assert len(sandbox.client.v1.customers.list().data) == 1
    assert sandbox.deliver() == ["customer.created"]


def test_other_parameters_under_a_key_are_an_error(sandbox: Sandbox) -> None:
    sandbox.client.v1.customers.create({"email": "a@example.com"}, {"idempotency_key": "k"})

    with pytest.raises(stripe.IdempotencyError, match="same parameters"):
        sandbox.client.v1.customers.create({"email": "b@example.com"}, {"idempotency_key": "k"})
    with pytest.raises(stripe.IdempotencyError, match="same endpoint"):
        sandbox.client.v1.products.create({"name": "Pro"}, {"idempotency_key": "k"})


def test_a_refusal_after_the_work_began_is_stored(sandbox: Sandbox) -> None:
    wanted = {"amount": 500, "currency": "usd", "payment_method": "pm_card_chargeDeclined", "confirm": True}
    options: stripe.RequestOptions = {"idempotency_key": "k"}

    for _ in range(2):
        with pytest.raises(stripe.CardError):
            sandbox.client.v1.payment_intents.create({**wanted, "off_session": True}, options)

    assert len(sandbox.client.v1.charges.list().data) == 1


def test_a_refusal_of_the_parameters_is_not_stored(sandbox: Sandbox) -> None:
    refused = requests.post(
        f"{sandbox.url}/v1/customers",
        data={"colour": "red"},
        headers={"Authorization": "Bearer sk_test_x", "Idempotency-Key": "k"},
        timeout=10,
    )

    made = sandbox.client.v1.customers.create({"email": "a@example.com"}, {"idempotency_key": "k"})

    assert refused.status_code == 400
    assert made.email == "a@example.com"


def test_a_stored_500_is_replayed(sandbox: Sandbox) -> None:
    sandbox.control("faults", path="/v1/customers", fault="error_stored")

    for _ in range(2):
        with pytest.raises(stripe.APIError):
            sandbox.client.v1.customers.create({}, {"idempotency_key": "k"})

    assert sandbox.client.v1.customers.list().data == []


def test_a_key_is_free_again_after_24_hours(sandbox: Sandbox) -> None:
    first = sandbox.client.v1.customers.create({}, {"idempotency_key": "k"})
    sandbox.advance(seconds=24 * 3600)

    later = sandbox.client.v1.customers.create({}, {"idempotency_key": "k"})

    assert later.id != first.id


def test_one_key_at_the_same_time_works_once(sandbox: Sandbox) -> None:
    gate = threading.Barrier(8)
    statuses: list[int] = []

    def create() -> None:
        gate.wait(10)
        answer = requests.post(
            f"{sandbox.url}/v1/customers",
            data={"email": "a@example.com"},
            headers={"Authorization": "Bearer sk_test_x", "Idempotency-Key": "k"},
            timeout=30,
        )
        statuses.append(answer.status_code)

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(sandbox.client.v1.customers.list().data) == 1
    assert set(statuses) <= {200, 409}
    assert 200 in statuses
