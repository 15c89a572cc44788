"""Every object that any address answers, and every event's object, has the shape of Stripe's own classes."""

import importlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from sandbox import routes, shapes
from tests.sandbox.conftest import Sandbox

DAY = 86400
# One example of each of Stripe's resources, a month older than the pinned client.
EXAMPLES = Path(__file__).parents[3] / "shared" / "data" / "stripe_fixtures.json"
BUYER = {
    "email": "buyer@example.com",
    "card_number": "4242424242424242",
    "expiry": "12/40",
    "cvc": "123",
    "country": "DE",
}
# Keys that Stripe sends to platforms alone, or only where `expand` asks for them.
ONLY_SOMETIMES = {"balance": {"connect_reserved"}, "charge": {"refunds"}}


class Story:
    """Asks the sandbox by hand and keeps what it answered."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.asked: set[str] = set()
        self.answers: list[dict[str, Any]] = []

    def ask(self, method: str, path: str, **params: Any) -> dict[str, Any]:
        """Send one request; an answer that is no success fails the test."""
        answer = self.sandbox.client.raw_request(method, path, **params)
        body: dict[str, Any] = json.loads(answer.body)
        self.asked.add(f"{method.upper()} {path}")
        self.answers.append(body)
        return body

    def refused(self, path: str, status: int, **fields: str) -> None:
        """Post what must be refused."""
        assert self.sandbox.form(path, **fields).status_code == status
        self.asked.add(f"POST {path}")

    def get(self, path: str, **params: Any) -> dict[str, Any]:
        return self.ask("get", path, **params)

    def post(self, path: str, **params: Any) -> dict[str, Any]:
        return self.ask("post", path, **params)

    def delete(self, path: str, **params: Any) -> dict[str, Any]:
        return self.ask("delete", path, **params)

    @property
    def objects(self) -> list[dict[str, Any]]:
        """Give what was answered, events, and what the events and lists hold."""
        found = self.answers
        inside = [each for body in found if isinstance(body.get("data"), list) for each in body["data"]]
        told = [each["data"]["object"] for each in found + inside if each.get("object") == "event"]
        return found + inside + told


@pytest.fixture(scope="module")
def story(running_sandbox: Sandbox) -> Story:
    """Live through all that the sandbox serves, and look at everything in the end."""
    running_sandbox.control("reset", seed=7)
    running_sandbox.control("webhooks", mode="paused")
    story = Story(running_sandbox)
    customer = _customer(story)
    _catalog(story)
    _payments(story, customer)
    _money_back(story)
    _checkout(story)
    _subscriptions(story, customer)
    _invoices(story)
    _clocks(story)
    _look_at_everything(story)
    _farewell(story)
    _read(story, "/v1/events")
    return story


def test_every_object_has_the_shape_of_its_class(story: Story) -> None:
    kinds = {str(each["object"]) for each in story.objects}

    faults = {fault for each in story.objects if each["object"] != "search_result" for fault in shapes.faults(each)}

    assert faults == set()
    assert kinds >= {"charge", "checkout.session", "dispute", "event", "invoice", "invoice_payment", "invoiceitem"}
    assert kinds >= {
        "payment_intent",
        "refund",
        "setup_intent",
        "subscription",
        "subscription_item",
        "balance_transaction",
    }


def test_the_story_asks_every_address_that_there_is(story: Story) -> None:
    served = {(route.method, route.path) for route in _routes()}

    missing = {
        f"{method} {path}" for method, path in served if not any(_fits(method, path, each) for each in story.asked)
    }

    assert missing == set()


def test_no_key_of_an_example_is_absent(story: Story) -> None:
    if not EXAMPLES.exists():
        pytest.skip(f"no examples at {EXAMPLES.name}; the typed classes are held against all the same")
    examples = json.loads(EXAMPLES.read_text())["resources"]

    absent: dict[str, set[str]] = {}
    for each in story.objects:
        kind = str(each["object"])
        if kind in examples and not each.get("deleted"):
            keys = set(shapes.absent_keys(each, examples[kind])) - ONLY_SOMETIMES.get(kind, set())
            absent.setdefault(kind, set()).update(keys)

    assert {kind: keys for kind, keys in absent.items() if keys} == {}


def _customer(story: Story) -> str:
    customer = str(story.post("/v1/customers", email="one@example.com", name="One", metadata={"a": "1"})["id"])
    method = story.post("/v1/payment_methods/pm_card_visa/attach", customer=customer)["id"]
    story.post(f"/v1/customers/{customer}", invoice_settings={"default_payment_method": method}, phone="+15550100")
    card = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2040, "cvc": "123"}
    spare = story.post("/v1/payment_methods", type="card", card=card)["id"]
    story.post(f"/v1/payment_methods/{spare}/attach", customer=customer)
    story.post(f"/v1/payment_methods/{spare}", metadata={"colour": "blue"})
    story.get(f"/v1/customers/{customer}/payment_methods/{spare}")
    story.post(f"/v1/payment_methods/{spare}/detach")
    setup = story.post(
        "/v1/setup_intents",
        customer=customer,
        payment_method="pm_card_visa",
        confirm=True,
        automatic_payment_methods={"enabled": True, "allow_redirects": "never"},
    )
    assert setup["status"] == "succeeded"
    other = story.post("/v1/setup_intents", customer=customer)["id"]
    story.post(f"/v1/setup_intents/{other}", description="a card for later")
    story.post(
        f"/v1/setup_intents/{other}/confirm",
        payment_method="pm_card_authenticationRequired",
        return_url="https://shop.example",
    )
    story.sandbox.control(f"3ds/{other}", success=False)
    story.post(f"/v1/setup_intents/{other}/cancel")
    return customer


def _catalog(story: Story) -> None:
    story.post("/v1/products", id="prod_gold", name="Gold", metadata={"plan": "gold"})
    story.post("/v1/products/prod_gold", description="All of it", marketing_features=[{"name": "Export"}])
    monthly = {"interval": "month"}
    price = story.post(
        "/v1/prices", product="prod_gold", currency="usd", unit_amount=3000, recurring=monthly, lookup_key="gold_month"
    )
    story.post(f"/v1/prices/{price['id']}", nickname="Gold, monthly")
    story.post(
        "/v1/prices",
        product="prod_gold",
        currency="usd",
        unit_amount=30000,
        recurring={"interval": "year"},
        lookup_key="gold_year",
    )
    story.post("/v1/prices", product="prod_gold", currency="usd", unit_amount=4900, lookup_key="gold_once")
    gone = story.post("/v1/products", name="Nothing")["id"]
    story.delete(f"/v1/products/{gone}")


def _price(story: Story, key: str) -> str:
    return str(story.get("/v1/prices", lookup_keys=[key])["data"][0]["id"])


def _payments(story: Story, customer: str) -> None:
    paid = story.post("/v1/payment_intents", amount=2500, currency="usd", customer=customer)["id"]
    story.post(f"/v1/payment_intents/{paid}", description="Two and a half tens")
    story.post(f"/v1/payment_intents/{paid}/confirm", payment_method="pm_card_visa", return_url="https://shop.example")
    held = story.post(
        "/v1/payment_intents",
        amount=900,
        currency="usd",
        capture_method="manual",
        confirm=True,
        payment_method="pm_card_visa",
        return_url="https://shop.example",
    )["id"]
    story.post(f"/v1/payment_intents/{held}/capture", amount_to_capture=800)
    left = story.post("/v1/payment_intents", amount=900, currency="usd")["id"]
    story.post(f"/v1/payment_intents/{left}/cancel", cancellation_reason="abandoned")
    refused = story.post("/v1/payment_intents", amount=700, currency="usd")["id"]
    there = {"payment_method": "pm_card_chargeDeclined", "return_url": "https://shop.example"}
    story.refused(f"/v1/payment_intents/{refused}/confirm", 402, **there)
    asking = story.post(
        "/v1/payment_intents",
        amount=700,
        currency="usd",
        confirm=True,
        payment_method="pm_card_authenticationRequired",
        return_url="https://shop.example",
    )
    assert asking["status"] == "requires_action"


def _money_back(story: Story) -> None:
    charges = [each for each in story.get("/v1/charges", limit=100)["data"] if each["paid"]]
    story.post(f"/v1/charges/{charges[0]['id']}", metadata={"seen": "yes"})
    refund = story.post("/v1/refunds", charge=charges[0]["id"], amount=100, reason="requested_by_customer")["id"]
    story.post(f"/v1/refunds/{refund}", metadata={"seen": "yes"})
    story.sandbox.control(f"refunds/{refund}/fail")
    story.get(f"/v1/charges/{charges[0]['id']}/refunds")
    waiting = story.post(
        "/v1/payment_intents",
        amount=1300,
        currency="usd",
        confirm=True,
        return_url="https://shop.example",
        payment_method="pm_card_pendingRefund",
    )["latest_charge"]
    pending = story.post("/v1/refunds", charge=waiting)["id"]
    # Only a refund that waits for its customer can be canceled, and a card's never does.
    story.refused(f"/v1/refunds/{pending}/cancel", 400)
    disputed = story.post(
        "/v1/payment_intents",
        amount=1500,
        currency="usd",
        confirm=True,
        return_url="https://shop.example",
        payment_method="pm_card_createDispute",
    )["latest_charge"]
    dispute = story.get("/v1/disputes", charge=disputed)["data"][0]["id"]
    story.post(f"/v1/disputes/{dispute}", evidence={"product_description": "access"}, submit=False)
    story.post(f"/v1/disputes/{dispute}/close")


def _checkout(story: Story) -> None:
    once, monthly = _price(story, "gold_once"), _price(story, "gold_month")
    common = {"success_url": "https://shop.example/?s={CHECKOUT_SESSION_ID}"}
    bought = [
        story.post("/v1/checkout/sessions", mode="payment", line_items=[{"price": once, "quantity": 1}], **common),
        story.post(
            "/v1/checkout/sessions", mode="subscription", line_items=[{"price": monthly, "quantity": 1}], **common
        ),
        story.post("/v1/checkout/sessions", mode="setup", currency="usd", **common),
    ]
    for session in bought:
        assert requests.post(session["url"], data=BUYER, allow_redirects=False, timeout=30).status_code < 400
        story.post(f"/v1/checkout/sessions/{session['id']}", metadata={"seen": "yes"})
    story.get(f"/v1/checkout/sessions/{bought[0]['id']}/line_items")
    left = story.post("/v1/checkout/sessions", mode="payment", line_items=[{"price": once, "quantity": 1}], **common)
    story.post(f"/v1/checkout/sessions/{left['id']}/expire")


def _subscriptions(story: Story, customer: str) -> None:
    monthly, yearly = _price(story, "gold_month"), _price(story, "gold_year")
    first = story.post(
        "/v1/subscriptions",
        customer=customer,
        items=[{"price": monthly}],
        trial_period_days=10,
        expand=["latest_invoice.payments", "customer", "default_payment_method"],
    )
    item = first["items"]["data"][0]["id"]
    story.post("/v1/invoices/create_preview", subscription=first["id"])
    story.sandbox.advance(days=15)
    story.post(
        f"/v1/subscriptions/{first['id']}", proration_behavior="always_invoice", items=[{"id": item, "quantity": 2}]
    )
    added = story.post("/v1/subscription_items", subscription=first["id"], price=yearly)["id"]
    story.post(f"/v1/subscription_items/{added}", quantity=2)
    story.delete(f"/v1/subscription_items/{added}")
    story.sandbox.advance(days=32)
    bad = story.post("/v1/payment_methods/pm_card_chargeCustomerFail/attach", customer=customer)["id"]
    story.post(f"/v1/subscriptions/{first['id']}", default_payment_method=bad, pause_collection="")
    waiting = story.post(
        f"/v1/subscriptions/{first['id']}",
        proration_behavior="always_invoice",
        items=[{"id": item, "quantity": 9}],
        payment_behavior="pending_if_incomplete",
    )
    assert waiting["pending_update"]
    story.sandbox.advance(days=40)
    second = story.post("/v1/subscriptions", customer=customer, items=[{"price": monthly}], cancel_at_period_end=True)
    story.delete(f"/v1/subscriptions/{second['id']}", prorate=True, invoice_now=True)
    _resumed(story, monthly)


def _resumed(story: Story, price: str) -> None:
    customer = story.post("/v1/customers")["id"]
    settings = {"end_behavior": {"missing_payment_method": "pause"}}
    paused = story.post(
        "/v1/subscriptions", customer=customer, items=[{"price": price}], trial_period_days=1, trial_settings=settings
    )
    story.sandbox.advance(days=2)
    method = story.post("/v1/payment_methods/pm_card_visa/attach", customer=customer)["id"]
    story.post(f"/v1/subscriptions/{paused['id']}", default_payment_method=method)
    story.post(f"/v1/subscriptions/{paused['id']}/resume")


def _invoices(story: Story) -> None:
    customer = story.post("/v1/customers")["id"]
    method = story.post("/v1/payment_methods/pm_card_visa/attach", customer=customer)["id"]
    story.post(f"/v1/customers/{customer}", invoice_settings={"default_payment_method": method})

    def draft() -> str:
        invoice = str(story.post("/v1/invoices", customer=customer, description="By hand")["id"])
        item = story.post("/v1/invoiceitems", customer=customer, invoice=invoice, amount=600, currency="usd")
        assert item["invoice"] == invoice
        return invoice

    story.post(f"/v1/invoices/{draft()}/pay")
    story.post(f"/v1/invoices/{draft()}/send")
    for end in ("void", "mark_uncollectible"):
        invoice = draft()
        story.post(f"/v1/invoices/{invoice}", metadata={"end": end})
        story.post(f"/v1/invoices/{invoice}/finalize")
        story.post(f"/v1/invoices/{invoice}/{end}")
    story.delete(f"/v1/invoices/{draft()}")
    loose = story.post("/v1/invoiceitems", customer=customer, amount=50, currency="usd")["id"]
    story.post(f"/v1/invoices/{draft()}/add_lines", lines=[{"invoice_item": loose}])
    item = story.post("/v1/invoiceitems", customer=customer, amount=100, currency="usd")["id"]
    story.post(f"/v1/invoiceitems/{item}", description="Changed")
    story.delete(f"/v1/invoiceitems/{item}")


def _clocks(story: Story) -> None:
    clock = story.post("/v1/test_helpers/test_clocks", frozen_time=1767225600)["id"]
    story.post("/v1/customers", test_clock=clock)
    story.post(f"/v1/test_helpers/test_clocks/{clock}/advance", frozen_time=1767225600 + DAY)


def _look_at_everything(story: Story) -> None:
    """Read every list and, one by one, what stands in it; then what stands inside those."""
    endpoint = story.post("/v1/webhook_endpoints", url="https://shop.example/hook", enabled_events=["*"])["id"]
    story.post(f"/v1/webhook_endpoints/{endpoint}", description="For a while")
    story.get(f"/v1/accounts/{story.get('/v1/account')['id']}")
    story.get("/v1/balance")
    story.get("/v1/products/prod_gold/features")
    for path in ("customers", "charges", "payment_intents", "subscriptions", "invoices", "prices", "products"):
        story.get(f"/v1/{path}/search", query="created>0")
    customer = next(each for each in _read(story, "/v1/customers") if each["email"] == "one@example.com")["id"]
    for inside in ("payment_methods", "sources", "tax_ids"):
        story.get(f"/v1/customers/{customer}/{inside}")
    _read(story, "/v1/payment_methods", customer=customer)
    for subscription in _read(story, "/v1/subscriptions", status="all"):
        _read(story, "/v1/subscription_items", subscription=subscription["id"])
    for invoice in _read(story, "/v1/invoices", expand=["data.payments"]):
        story.get(f"/v1/invoices/{invoice['id']}/lines")
    for path in LISTED:
        _read(story, path)


LISTED = (
    *("/v1/balance_transactions", "/v1/charges", "/v1/checkout/sessions", "/v1/disputes", "/v1/invoice_payments"),
    *("/v1/invoiceitems", "/v1/payment_intents", "/v1/prices", "/v1/products", "/v1/refunds", "/v1/setup_intents"),
    *("/v1/test_helpers/test_clocks", "/v1/webhook_endpoints"),
)


def _read(story: Story, path: str, **asked: Any) -> list[dict[str, Any]]:
    """Read a whole list, page by page, and each object of it by its own address."""
    found: list[dict[str, Any]] = []
    while True:
        after = {"starting_after": found[-1]["id"]} if found else {}
        page = story.get(path, limit=100, **asked, **after)
        found += page["data"]
        if not page["has_more"]:
            break
    assert found, f"{path} is empty"
    for each in found[:20]:
        story.get(f"{path}/{each['id']}")
    return found


def _farewell(story: Story) -> None:
    endpoint = story.get("/v1/webhook_endpoints", limit=1)["data"][0]["id"]
    story.delete(f"/v1/webhook_endpoints/{endpoint}")
    clock = story.get("/v1/test_helpers/test_clocks")["data"][0]["id"]
    story.delete(f"/v1/test_helpers/test_clocks/{clock}")
    customer = story.get("/v1/customers", email="one@example.com")["data"][0]["id"]
    story.delete(f"/v1/customers/{customer}")
    story.get(f"/v1/customers/{customer}")


def _routes() -> Iterator[routes.Route]:
    from sandbox import app

    for name in app.MODULES:
        importlib.import_module(f"sandbox.{name}")
    yield from routes.ROUTES


def _fits(method: str, path: str, asked: str) -> bool:
    pattern = re.sub(r"<\w+>", r"[^/]+", path)
    return re.fullmatch(f"{method} {pattern}", asked) is not None
