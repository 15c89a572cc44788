"""Failures on request: what a client meets on a bad day."""

import pytest
import requests
import stripe

from tests.sandbox.conftest import Sandbox

HEADERS = {"Authorization": "Bearer sk_test_x"}


@pytest.mark.parametrize(("fault", "error"), [("500", stripe.APIError), ("429", stripe.RateLimitError)])
def test_a_failure_happens_as_often_as_asked_and_does_no_work(
    sandbox: Sandbox, fault: str, error: type[stripe.StripeError]
) -> None:
    sandbox.control("faults", path="^/v1/customers$", method="POST", fault=fault, times=2)

    for _ in range(2):
        with pytest.raises(error):
            sandbox.client.v1.customers.create({}, {"idempotency_key": "k"})
    made = sandbox.client.v1.customers.create({}, {"idempotency_key": "k"})

    assert [each.id for each in sandbox.client.v1.customers.list().data] == [made.id]


def test_stripes_client_gets_through_two_failures_by_itself(sandbox: Sandbox) -> None:
    client = stripe.StripeClient("sk_test_x", base_addresses={"api": sandbox.url}, max_network_retries=2)
    sandbox.control("faults", path="/v1/customers", fault="500", times=2)

    client.v1.customers.create({"email": "a@example.com"})

    assert len(sandbox.client.v1.customers.list().data) == 1


def test_a_dropped_reply_leaves_the_work_done(sandbox: Sandbox) -> None:
    sandbox.control("faults", path="/v1/customers", fault="drop_reply")

    with pytest.raises(stripe.APIConnectionError):
        sandbox.client.v1.customers.create({"email": "a@example.com"}, {"idempotency_key": "k"})
    again = sandbox.client.v1.customers.create({"email": "a@example.com"}, {"idempotency_key": "k"})

    assert [each.id for each in sandbox.client.v1.customers.list().data] == [again.id]
    assert again.last_response.headers["Idempotent-Replayed"] == "true"


def test_a_dropped_request_leaves_nothing(sandbox: Sandbox) -> None:
    sandbox.control("faults", path="/v1/customers", fault="drop_before")

    with pytest.raises(stripe.APIConnectionError):
        sandbox.client.v1.customers.create({})

    assert sandbox.client.v1.customers.list().data == []


def test_a_request_that_hangs_ends_when_the_client_gives_up(sandbox: Sandbox) -> None:
    with pytest.raises(requests.Timeout):
        requests.post(f"{sandbox.url}/v1/customers", headers=HEADERS | {"Sandbox-Fault": "hang"}, timeout=(5, 0.2))

    assert sandbox.client.v1.customers.list().data == []


def test_a_header_asks_for_one_request(sandbox: Sandbox) -> None:
    failed = requests.post(f"{sandbox.url}/v1/customers", headers=HEADERS | {"Sandbox-Fault": "500"}, timeout=10)
    next_one = requests.post(f"{sandbox.url}/v1/customers", headers=HEADERS, timeout=10)

    assert (failed.status_code, next_one.status_code) == (500, 200)


def test_an_unknown_fault_is_refused(sandbox: Sandbox) -> None:
    answer = requests.post(f"{sandbox.url}/_sandbox/faults", json={"fault": "rain"}, timeout=10)

    assert answer.status_code == 400
    assert "Invalid fault" in answer.json()["error"]["message"]


def test_a_failure_may_come_after_some_that_pass(sandbox: Sandbox) -> None:
    sandbox.control("faults", path="^/v1/customers$", method="POST", fault="429", after=2)

    for _ in range(2):
        sandbox.client.v1.customers.create({})
    with pytest.raises(stripe.RateLimitError):
        sandbox.client.v1.customers.create({})

    assert len(sandbox.client.v1.customers.list().data) == 2
