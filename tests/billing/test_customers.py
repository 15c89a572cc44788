"""Who pays: here once, at Stripe once, whatever races; described here, and there as soon as Stripe listens."""

from __future__ import annotations

import io
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from billing import customers, gateway, janitor, stripe_customers, sync
from billing.customer_errors import CustomerErased
from billing.errors import StripeUnknown
from billing.idempotency import Asking
from billing.models import Customer, StripeCustomer, WebhookEvent
from billing.transactions import whole
from events import clock
from events.models import Event
from tests.api import api, places
from tests.buyer import Buyer
from tests.stripe_side import StripeSide

V1 = "/api/v1"
SAID = {"email": "anna@example.com", "name": "Anna Aal", "country": "in"}
LATER = timedelta(minutes=3)


def post(path: str, body: dict[str, Any], role: str = "user", key: str | None = None) -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    return api("anna", role).post(f"{V1}/{path}", body, content_type="application/json", headers=headers)


def patch(customer: Customer, role: str = "user", **said: str) -> Any:
    return api("anna", role).patch(f"{V1}/customers/{customer.pk}", said, content_type="application/json")


def anna(**said: str) -> Customer:
    return customers.create("anna", said, asking=Asking.of("user:anna", None, {}))[0]


def break_stripe(stripe: StripeSide, path: str, fault: str, times: int = 99) -> None:
    stripe.control("faults", path=path, method="POST", fault=fault, times=times)


def mend(stripe: StripeSide) -> None:
    stripe.http.delete("/_sandbox/faults")


def at_stripe(stripe: StripeSide) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stripe.get("customers", limit=100)["data"]
    return found


def age(**columns: timedelta) -> None:
    now = clock.now()
    StripeCustomer.objects.update(**{name: now - by for name, by in columns.items()})


def test_a_user_makes_his_customer_and_reads_him(buyer: Buyer) -> None:
    """CU-01, CU-02, ruling 14: create and get; Stripe is not asked before something is bought."""
    answer = post("customers", SAID, key="k-1")

    assert answer.status_code == 201
    made = answer.json()
    assert {name: made[name] for name in ("user_id", "email", "name", "country", "stripe_id")} == {
        "user_id": "anna",
        "email": "anna@example.com",
        "name": "Anna Aal",
        "country": "IN",
        "stripe_id": None,
    }
    assert api("anna").get(f"{V1}/customers/{made['id']}").json() == made
    assert not at_stripe(buyer.stripe)


def test_a_user_is_a_customer_once(books: None) -> None:
    """The same key brings the same row, another request is told who exists."""
    first = post("customers", SAID, key="k-1")

    again = post("customers", SAID, key="k-1")
    other = post("customers", SAID, key="k-2")

    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (201, "true")
    assert again.json()["id"] == first.json()["id"]
    assert (other.status_code, other.json()["code"], places(other)) == (409, "customer_exists", ["#/user_id"])
    assert other.json()["customer_id"] == first.json()["id"]
    assert "anna" in other.json()["detail"]


@pytest.mark.parametrize(
    "wrong", [{"email": "nobody"}, {"country": "IND"}, {"name": 7}, {"surname": "Aal"}, {"email": "a@b.c\u0000"}]
)
def test_what_is_wrong_is_named(books: None, wrong: dict[str, Any]) -> None:
    """SE-08: the answer points at the field."""
    answer = post("customers", wrong)

    assert answer.status_code == 400
    assert places(answer) == [f"#/{next(iter(wrong))}"]


def test_customers_are_listed_and_found(books: None) -> None:
    """CU-01: pages by cursor, or by offset with the total; by user, country, and the whole e-mail address."""
    asking = Asking.of("admin:root", None, {})
    for user_id, country in (("anna", "IN"), ("ben", "DE"), ("eva", "IN")):
        customers.create(user_id, {"email": f"{user_id}@example.com", "country": country}, asking=asking)

    def listed(**query: Any) -> Any:
        return api("root", "admin").get(f"{V1}/customers", query).json()

    def users(**query: Any) -> list[str]:
        return [one["user_id"] for one in listed(**query)["data"]]

    first = listed(limit=2)
    assert [one["user_id"] for one in first["data"]] == ["eva", "ben"]
    assert users(limit=2, starting_after=first["next_cursor"]) == ["anna"]
    assert listed(offset=1, limit=1)["total"] == 3
    assert users(country="in") == ["eva", "anna"]
    assert users(email="BEN@example.com") == ["ben"]
    assert users(email="en@example.com") == []
    assert users(user_id="anna") == ["anna"]
    assert api("anna").get(f"{V1}/customers").status_code == 403


def test_support_sees_that_there_is_a_name_and_not_which(buyer: Buyer) -> None:
    """The table of roles: R masked."""
    customer = anna(email="anna@example.com", name="Anna Aal")
    customers.at_stripe(customer)

    shown = api("sue", "support").get(f"{V1}/customers/{customer.pk}").json()

    assert (shown["email"], shown["name"]) == ("***", "***")
    assert shown["stripe_id"].startswith("cus_***")


def test_a_change_reaches_stripe_and_history_holds_no_name(buyer: Buyer) -> None:
    """CU-01: update; the names in history are commitments."""
    customer = anna()
    customers.at_stripe(customer)

    answer = patch(customer, email="anna@new.example", name="Anna Neu", country="DE")

    assert (answer.status_code, answer.json()["email"], answer.json()["stripe_behind"]) == (
        200,
        "anna@new.example",
        False,
    )
    (there,) = at_stripe(buyer.stripe)
    assert (there["email"], there["name"], there["metadata"]["country"]) == ("anna@new.example", "Anna Neu", "DE")
    (event,) = Event.objects.filter(type="customer.updated")
    assert event.data["changed"] == ["email", "name", "country"]
    assert "anna@new.example" not in json.dumps(event.data)
    assert "Neu" not in json.dumps(event.data)
    assert patch(customer, email="anna@new.example").status_code == 200
    assert Event.objects.filter(type="customer.updated").count() == 1


def test_a_foreign_customer_is_a_404(books: None) -> None:
    """A foreign object is a 404, the same as an absent one."""
    ben = customers.create("ben", {}, asking=Asking.of("user:ben", None, {}))[0]

    assert patch(ben, email="x@example.com").status_code == 404
    assert api("anna").get(f"{V1}/customers/{ben.pk}").status_code == 404
    assert post("customers", {"user_id": "ben"}).status_code == 404


@pytest.mark.parametrize("fault", ["500", "429", "drop_reply", "drop_before"])
def test_a_change_that_stripe_did_not_hear_is_told_later(buyer: Buyer, fault: str) -> None:
    """An unknown result is no failure: the change stands here, marked, and the janitor tells it."""
    customer = anna()
    customers.at_stripe(customer)
    break_stripe(buyer.stripe, "^/v1/customers/", fault)

    answer = patch(customer, email="anna@new.example")

    assert (answer.status_code, answer.json()["stripe_behind"]) == (200, True)
    mend(buyer.stripe)
    janitor.settle_unknown(at=clock.now())
    assert at_stripe(buyer.stripe)[0]["email"] == "anna@new.example"
    assert api("anna").get(f"{V1}/customers/{customer.pk}").json()["stripe_behind"] is False


def test_what_stripe_says_does_not_undo_what_it_has_not_heard(buyer: Buyer) -> None:
    """A look between a change and its telling brings the old address: it does not count. A later one does."""
    customer = anna(email="old@example.com")
    cus = customers.at_stripe(customer)
    break_stripe(buyer.stripe, "^/v1/customers/", "drop_before")
    patch(customer, email="new@example.com")
    mend(buyer.stripe)

    sync.look(cus)
    assert buyer.customer.email == "new@example.com"

    janitor.settle_unknown(at=clock.now())
    buyer.stripe.post(f"customers/{cus}", email="dashboard@example.com")
    buyer.stripe.deliver()
    assert buyer.customer.email == "dashboard@example.com"


def test_sixteen_first_needs_make_one_customer(buyer: Buyer) -> None:
    """Tied to Stripe's customer on first need, once, whatever races."""
    customer = anna(email="anna@example.com")
    gate = threading.Barrier(16)

    def need(_: int) -> str | None:
        gate.wait()
        try:
            return customers.at_stripe(Customer.objects.get(pk=customer.pk))
        except StripeUnknown:
            return None
        finally:
            connection.close()

    with ThreadPoolExecutor(16) as pool:
        found = set(pool.map(need, range(16)))

    (there,) = at_stripe(buyer.stripe)
    assert found - {None} == {there["id"]}
    assert customers.at_stripe(customer) == there["id"]
    assert there["email"] == "anna@example.com"


@pytest.mark.parametrize("fault", ["drop_reply", "drop_before", "500", "429"])
def test_a_customer_without_an_answer_is_found_again(buyer: Buyer, fault: str) -> None:
    """Within a minute the same key brings the same customer."""
    customer = anna()
    break_stripe(buyer.stripe, "^/v1/customers$", fault)
    with pytest.raises(StripeUnknown):
        customers.at_stripe(customer)
    mend(buyer.stripe)

    assert customers.at_stripe(customer) == at_stripe(buyer.stripe)[0]["id"]
    assert len(at_stripe(buyer.stripe)) == 1


def test_a_500_that_stripe_keeps_does_not_last_a_day(buyer: Buyer) -> None:
    """Stripe answers a key for 24 h as it did first: two minutes later the list shows that it made nothing."""
    customer = anna()
    break_stripe(buyer.stripe, "^/v1/customers$", "error_stored", times=1)
    for _ in range(2):
        with pytest.raises(StripeUnknown):
            customers.at_stripe(customer)

    age(asked_at=timedelta(seconds=90))
    with pytest.raises(StripeUnknown):
        customers.at_stripe(customer)
    age(asked_at=LATER)

    assert customers.at_stripe(customer) == at_stripe(buyer.stripe)[0]["id"]
    assert StripeCustomer.objects.get().attempt == 2


def test_past_its_minute_a_customer_is_looked_up_and_never_made_again(buyer: Buyer) -> None:
    """Stripe did the work and its answer was lost: the list has it, also days later."""
    customer = anna()
    break_stripe(buyer.stripe, "^/v1/customers$", "drop_reply")
    with pytest.raises(StripeUnknown):
        customers.at_stripe(customer)
    mend(buyer.stripe)
    posts = len(buyer.stripe.requests("POST", "/v1/customers"))
    age(asked_at=LATER)

    assert janitor.settle_unknown(at=clock.now()) == 1

    assert Customer.objects.get().stripe_id == at_stripe(buyer.stripe)[0]["id"]
    assert len(buyer.stripe.requests("POST", "/v1/customers")) == posts


def test_the_event_of_a_customer_brings_the_answer_that_was_lost(buyer: Buyer) -> None:
    """`customer.created` names our row: its id is kept without another question."""
    customer = anna()
    break_stripe(buyer.stripe, "^/v1/customers$", "drop_reply")
    with pytest.raises(StripeUnknown):
        customers.at_stripe(customer)
    mend(buyer.stripe)

    buyer.stripe.deliver()

    assert Customer.objects.get().stripe_id == at_stripe(buyer.stripe)[0]["id"]


def test_a_deleted_customer_is_made_anew_and_still_known(buyer: Buyer) -> None:
    """`customer.deleted`: the next need makes another, and the old id still leads to the person."""
    buyer.buy()
    old = str(buyer.customer.stripe_id)
    buyer.stripe.http.delete(f"/v1/customers/{old}").raise_for_status()

    buyer.stripe.deliver(times=2, shuffled=3)

    assert buyer.customer.stripe_id is None
    assert buyer.history("customer").count("customer.closed_at_stripe") == 1
    buyer.buy()
    assert buyer.customer.stripe_id not in (None, old)
    assert customers.with_stripe_id(old) == customers.with_stripe_id(buyer.customer.stripe_id) == buyer.customer


def test_a_deletion_that_no_event_told_shows_when_stripe_is_told_something(buyer: Buyer) -> None:
    """Stripe says that there is no such customer: it is closed, and the next need makes another."""
    customer = anna()
    old = customers.at_stripe(customer)
    buyer.stripe.http.delete(f"/v1/customers/{old}").raise_for_status()

    assert patch(customer, email="anna@new.example").status_code == 200

    new = customers.at_stripe(customer)
    assert new != old
    assert [one["email"] for one in at_stripe(buyer.stripe)] == ["anna@new.example"]


def test_a_second_currency_gets_a_second_customer(buyer: Buyer) -> None:
    """Stripe keeps a customer to one currency for what recurs; no buyer hears "cannot combine currencies"."""
    customer = anna(email="anna@example.com")

    dollars, euros = customers.at_stripe(customer, "usd"), customers.at_stripe(customer, "EUR")

    assert dollars != euros
    assert customers.at_stripe(customer, "USD") == customers.at_stripe(customer) == dollars
    assert customers.at_stripe(customer, "eur") == euros
    assert {one["email"] for one in at_stripe(buyer.stripe)} == {"anna@example.com"}
    assert {customers.with_stripe_id(one) for one in (dollars, euros)} == {customer}
    assert stripe_customers.stripe_ids(customer) == [dollars, euros]


def test_the_first_customer_serves_the_first_currency(buyer: Buyer) -> None:
    """Who paid once in any currency needs no second customer to subscribe."""
    buyer.buy()

    buyer.subscribe()

    assert len(at_stripe(buyer.stripe)) == 1
    assert StripeCustomer.objects.get().currency == "usd"


def test_sixteen_needs_of_two_currencies_make_two(buyer: Buyer) -> None:
    """One customer for each currency, whatever races."""
    customer = anna()
    gate = threading.Barrier(16)

    def need(number: int) -> None:
        gate.wait()
        try:
            customers.at_stripe(Customer.objects.get(pk=customer.pk), ("usd", "eur")[number % 2])
        except StripeUnknown:
            return
        finally:
            connection.close()

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(need, range(16)))

    found = {customers.at_stripe(customer, currency) for currency in ("usd", "eur")}
    assert found == {one["id"] for one in at_stripe(buyer.stripe)}
    assert len(found) == 2


def test_a_currency_that_stripe_locked_elsewhere_is_learned(buyer: Buyer) -> None:
    """Somebody billed the customer from the dashboard: what recurs in another currency goes to another customer."""
    customer = anna()
    cus = customers.at_stripe(customer)
    buyer.stripe.post("invoiceitems", customer=cus, amount=500, currency="eur")
    invoice = buyer.stripe.post("invoices", customer=cus, currency="eur", pending_invoice_items_behavior="include")
    buyer.stripe.post(f"invoices/{invoice['id']}/finalize")
    buyer.stripe.post(f"customers/{cus}", description="billed")

    buyer.stripe.deliver()

    assert StripeCustomer.objects.get().currency == gateway.fetch(cus)["currency"] == "eur"  # type: ignore[index]
    assert customers.at_stripe(customer, "eur") == cus
    assert customers.at_stripe(customer, "usd") != cus


def test_older_looks_change_nothing(buyer: Buyer) -> None:
    """A look that began before the last one is out of date."""
    customer = anna()
    cus = customers.at_stripe(customer)
    before = clock.now()
    gone = {"id": cus, "object": "customer", "deleted": True}
    sync.look(cus)

    whole(customers.settle)(gone, looked_at=before)

    assert Customer.objects.get().stripe_id == cus


def test_a_customer_of_other_software_is_ignored(books: None, stripe_side: StripeSide) -> None:
    """An account may serve others too."""
    stranger = stripe_side.post("customers", email="x@example.com", **{"metadata[row_id]": "order 17"})
    stripe_side.post(f"customers/{stranger['id']}", name="X")

    stripe_side.deliver()

    assert not Customer.objects.exists()
    assert set(WebhookEvent.objects.values_list("status", flat=True)) == {"ignored"}


def test_an_erased_customer_takes_no_new_name(buyer: Buyer) -> None:
    """What named him is gone, here for good: neither a change nor Stripe brings it back."""
    customer = anna(email="anna@example.com", name="Anna Aal", country="IN")
    cus = customers.at_stripe(customer)
    call_command("erase_person", user="anna", reason="ticket 7", stdout=io.StringIO())

    answer = patch(customer, email="anna@example.com")
    sync.look(cus)

    assert (answer.status_code, answer.json()["code"]) == (409, "customer_erased")
    with pytest.raises(CustomerErased):
        customers.update(customer, {"name": "A"})
    assert (buyer.customer.email, buyer.customer.name, buyer.customer.country) == ("", "", "")
    assert "Anna" not in "".join(json.dumps(event.data) for event in Event.objects.all())
