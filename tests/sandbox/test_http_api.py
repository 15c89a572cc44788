"""The manners of Stripe's API: keys, versions, errors, lists, expansion, metadata."""

import pytest
import requests
import stripe

from tests.sandbox.conftest import Sandbox


def test_a_request_without_a_key_is_refused(sandbox: Sandbox) -> None:
    answer = requests.get(f"{sandbox.url}/v1/account", timeout=10)

    assert answer.status_code == 401
    assert answer.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("key", ["sk_live_4eC39HqLyjWDarjtT1zdp7dc", "nonsense"])
def test_a_key_that_is_no_test_key_is_refused_and_masked(sandbox: Sandbox, key: str) -> None:
    client = stripe.StripeClient(key, base_addresses={"api": sandbox.url}, max_network_retries=0)

    with pytest.raises(stripe.AuthenticationError) as refusal:
        client.v1.accounts.retrieve_current()

    assert key not in str(refusal.value)


def test_the_key_may_come_by_basic_authentication(sandbox: Sandbox) -> None:
    answer = requests.get(f"{sandbox.url}/v1/account", auth=("sk_test_any", ""), timeout=10)

    assert answer.json()["object"] == "account"


def test_another_version_of_the_api_is_refused(sandbox: Sandbox) -> None:
    headers = {"Authorization": "Bearer sk_test_any", "Stripe-Version": "2020-08-27"}

    answer = requests.get(f"{sandbox.url}/v1/account", headers=headers, timeout=10)

    assert answer.status_code == 400
    assert "Invalid Stripe API version: 2020-08-27" in answer.json()["error"]["message"]


def test_every_answer_names_its_request_and_version(sandbox: Sandbox) -> None:
    customer = sandbox.client.v1.customers.create({})

    headers = customer.last_response.headers
    assert headers["Request-Id"].startswith("req_")
    assert headers["Stripe-Version"] == "2026-08-26.dahlia"


def test_an_unknown_address_is_a_404(sandbox: Sandbox) -> None:
    answer = sandbox.form("/v1/unicorns")

    assert answer.status_code == 404
    assert "Unrecognized request URL (POST: /v1/unicorns)" in answer.json()["error"]["message"]


def test_an_absent_object_is_a_404_that_names_its_parameter(sandbox: Sandbox) -> None:
    with pytest.raises(stripe.InvalidRequestError) as absence:
        sandbox.client.v1.payment_intents.retrieve("pi_none")

    assert (absence.value.http_status, absence.value.code, absence.value.param) == (404, "resource_missing", "intent")


def test_an_absent_object_that_a_parameter_names_is_a_400(sandbox: Sandbox) -> None:
    with pytest.raises(stripe.InvalidRequestError) as absence:
        sandbox.client.v1.payment_intents.create({"amount": 500, "currency": "usd", "customer": "cus_none"})

    assert (absence.value.http_status, absence.value.code, absence.value.param) == (400, "resource_missing", "customer")


def test_an_unknown_parameter_is_named(sandbox: Sandbox) -> None:
    answer = sandbox.form("/v1/customers", **{"email": "a@example.com", "colour": "red"})

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "parameter_unknown"
    assert answer.json()["error"]["param"] == "colour"


def test_a_list_is_paged_by_cursors_newest_first(sandbox: Sandbox) -> None:
    made = [sandbox.client.v1.customers.create({"email": f"{number}@example.com"}).id for number in range(5)]

    first = sandbox.client.v1.customers.list({"limit": 2})
    second = sandbox.client.v1.customers.list({"limit": 2, "starting_after": first.data[-1].id})
    back = sandbox.client.v1.customers.list({"limit": 2, "ending_before": second.data[0].id})

    assert [each.id for each in first.data + second.data] == made[:0:-1]
    assert (first.has_more, second.has_more) == (True, True)
    assert [each.id for each in back.data] == [each.id for each in first.data]
    assert [each.id for each in sandbox.client.v1.customers.list({"limit": 2}).auto_paging_iter()] == made[::-1]


def test_a_list_filters_by_time_and_refuses_wild_limits(sandbox: Sandbox) -> None:
    early = sandbox.client.v1.customers.create({})
    sandbox.advance(days=1)
    late = sandbox.client.v1.customers.create({})

    found = sandbox.client.v1.customers.list({"created": {"gt": early.created}})

    assert [each.id for each in found.data] == [late.id]
    with pytest.raises(stripe.InvalidRequestError, match="less than or equal to 100"):
        sandbox.client.v1.customers.list({"limit": 101})


def test_expansion_follows_paths_and_lists(sandbox: Sandbox) -> None:
    customer = sandbox.client.v1.customers.create({"email": "a@example.com"})
    sandbox.client.v1.payment_intents.create(
        {
            "amount": 500,
            "currency": "usd",
            "customer": customer.id,
            "payment_method": "pm_card_visa",
            "confirm": True,
            "off_session": True,
        }
    )

    found = sandbox.client.v1.payment_intents.list(
        {"expand": ["data.customer", "data.latest_charge.balance_transaction", "data.latest_charge.refunds"]}
    )

    charge = found.data[0].latest_charge
    assert found.data[0].customer.email == "a@example.com"
    assert (charge.balance_transaction.amount, charge.refunds.data) == (500, [])


def test_a_path_that_names_nothing_cannot_be_expanded(sandbox: Sandbox) -> None:
    with pytest.raises(stripe.InvalidRequestError, match=r"cannot be expanded \(moon\)"):
        sandbox.client.v1.customers.create({"expand": ["moon"]})


def test_metadata_merges_and_an_empty_value_deletes(sandbox: Sandbox) -> None:
    customer = sandbox.client.v1.customers.create({"metadata": {"0": "zero", "kept": "1", "gone": "2"}})

    merged = sandbox.client.v1.customers.update(customer.id, {"metadata": {"gone": "", "new": "3"}})
    emptied = sandbox.client.v1.customers.update(customer.id, {"metadata": ""})

    assert merged.metadata.to_dict() == {"0": "zero", "kept": "1", "new": "3"}
    assert emptied.metadata.to_dict() == {}


@pytest.mark.parametrize("metadata", [{"k" * 41: "v"}, {"k": "v" * 501}, {str(number): "v" for number in range(51)}])
def test_metadata_has_bounds(sandbox: Sandbox, metadata: dict[str, str]) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        sandbox.client.v1.customers.create({"metadata": metadata})

    assert refusal.value.param.startswith("metadata")


def test_ids_are_the_same_for_the_same_seed(sandbox: Sandbox) -> None:
    first = sandbox.client.v1.customers.create({}).id
    sandbox.control("reset", seed=7)
    second = sandbox.client.v1.customers.create({}).id
    sandbox.control("reset", seed=8)
    third = sandbox.client.v1.customers.create({}).id

    assert first == second
    assert second != third


def test_the_request_log_tells_what_was_asked(sandbox: Sandbox) -> None:
    last = sandbox.read("requests")["last"]

    sandbox.client.v1.customers.create({"email": "a@example.com"}, {"idempotency_key": "one"})

    entry = sandbox.read("requests", since=last)["data"][0]
    assert (entry["method"], entry["path"], entry["status"]) == ("POST", "/v1/customers", 200)
    assert (entry["params"], entry["idempotency_key"]) == ({"email": "a@example.com"}, "one")


def test_a_deleted_customer_leaves_a_trace(sandbox: Sandbox) -> None:
    customer = sandbox.client.v1.customers.create({"payment_method": "pm_card_visa"})

    deleted = sandbox.client.v1.customers.delete(customer.id)

    assert deleted.deleted
    assert sandbox.client.v1.customers.retrieve(customer.id).deleted
    assert sandbox.client.v1.customers.list().data == []
    assert "customer.deleted" in sandbox.deliver()


def test_the_account_is_one_and_knows_its_id(sandbox: Sandbox) -> None:
    account = sandbox.client.v1.accounts.retrieve_current()

    assert sandbox.client.v1.accounts.retrieve(account.id).id == account.id
    assert account.charges_enabled
