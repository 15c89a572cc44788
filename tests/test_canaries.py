"""Sixty secrets go through every flow, each told apart by its own mark; none comes to rest where it can be read."""

from __future__ import annotations

import io
import json
import logging
import secrets
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from celery.signals import before_task_publish
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.test import Client
from structlog.stdlib import ProcessorFormatter

from billing import tasks
from billing.models import Payment
from config import logs
from events import mail
from events.models import Mail
from tests.api import token
from tests.buyer import Buyer
from tests.events.mailbox import Mailbox
from tests.shown import Shown

ORDER = {"plan_id": "premium-plan", "country_code": "IN", "success_url": "http://localhost:3000/done"}
ORDER["cancel_url"] = "http://localhost:3000/back"
JSON = "application/json"
# Free texts, numbers in the form of numbers: what a person, a card or a door is known by.
HEADERS = [
    *("Authorization", "better-auth-token", "Cookie", "X-Api-Key", "User-Agent", "Referer", "Accept-Language"),
    *("X-CSRFToken", "Stripe-Signature", "Origin", "X-Forwarded-For"),
]
CLAIMS = ["email", "name", "phone_number", "picture", "jti", "nonce"]
QUERIES = ["token", "email", "note"]
FIELDS = ["password", "card_number", "cvc", "email", "name", "note", "metadata"]
AT_STRIPE = ["description", "phone", "line1", "line2", "city", "postal_code", "metadata"]
IN_EVENTS = [
    *("email", "name", "phone", "line1", "city", "postal_code", "fingerprint", "last4", "receipt_email"),
    *("receipt_url", "client_secret", "tax_id", "ip", "iban", "statement_descriptor", "seller_message"),
]


class Canaries:
    """Marks that stand for secrets; each is handed out once."""

    def __init__(self) -> None:
        self.sent: dict[str, str] = {}
        self.answers: list[bytes] = []

    def __call__(self, what: str) -> str:
        """Make the secret of one place."""
        mark = f"canary{len(self.sent):03}x{secrets.token_hex(6)}"
        self.sent[mark] = what
        return mark

    def learn(self, secret: str, what: str) -> None:
        """Watch for a secret that Stripe made."""
        self.sent[secret] = what

    def seen_in(self, text: str) -> list[str]:
        """Name the secrets that stand in a text."""
        return [what for mark, what in self.sent.items() if mark in text]

    def send(self, client: Client, method: str, path: str, body: Any = "", **headers: str) -> Any:
        """Send a request whose answer tells a person his own secrets."""
        text = body if isinstance(body, str) else json.dumps(body)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return client.generic(method, path, text, content_type=JSON, headers=named)

    def ask(self, client: Client, method: str, path: str, body: Any = "", **headers: str) -> int:
        """Send a request, and keep the answer and its headers."""
        answer = self.send(client, method, path, body, **headers)
        content = b"".join(answer.streaming_content) if answer.streaming else answer.content
        self.answers.append(content + str(answer.headers).encode())
        return int(answer.status_code)


@pytest.fixture
def log_lines() -> Iterator[io.StringIO]:
    """Listen with the real formatter, to every logger and level."""
    words = dict(logs.configuration("DEBUG")["formatters"]["json"])
    words.pop("()")
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(ProcessorFormatter(**words))
    root = logging.getLogger()
    before, _ = root.level, root.addHandler(handler)
    root.setLevel("DEBUG")
    yield written
    root.setLevel(before)
    root.removeHandler(handler)


@pytest.fixture
def rung() -> Iterator[list[Any]]:
    """Keep what Celery's messages hold."""
    found: list[Any] = []

    def keep(body: Any = None, headers: Any = None, **_others: Any) -> None:
        found.append((body, headers))

    before_task_publish.connect(keep, weak=False)
    yield found
    before_task_publish.disconnect(keep)


def columns() -> Iterator[tuple[str, str]]:
    """Name every column whose value may be a text, of every table."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, column_name FROM information_schema.columns JOIN information_schema.tables"
            " USING (table_schema, table_name) WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"
            " AND data_type IN ('text', 'character varying', 'json', 'jsonb', 'character', 'ARRAY', 'bytea')"
        )
        yield from cursor.fetchall()


def resting(canaries: Canaries) -> tuple[int, list[tuple[str, str, str]]]:
    """Count the columns, and name the secrets that stand in one."""
    found, count, marks = [], 0, [f"%{mark}%" for mark in canaries.sent]
    for table, column in columns():
        count += 1
        with connection.cursor() as cursor:
            cursor.execute(f'SELECT "{column}"::text FROM "{table}" WHERE "{column}"::text LIKE ANY(%s)', [marks])
            found += [(table, column, what) for (text,) in cursor.fetchall() for what in canaries.seen_in(text)]
    return count, found


def knock(canaries: Canaries) -> None:
    """Put secrets into headers, queries, fields and broken bodies of requests that are refused or answered."""
    for name in HEADERS:
        value = {"Authorization": "Bearer ", "Cookie": "sessionid="}.get(name, "") + canaries(name)
        canaries.ask(Client(), "GET", "/api/v1/users/anna/payments", **{name: value})
        canaries.ask(Client(), "POST", "/api/v1/webhooks/stripe", {"id": "evt"}, **{name: value})
    known = Client(headers={"Authorization": f"Bearer {token(**{name: canaries(name) for name in CLAIMS})}"})
    for name in QUERIES:
        canaries.ask(known, "GET", f"/api/v1/plans?country=IN&{name}={canaries(name)}")
    for name in FIELDS:
        canaries.ask(known, "POST", "/api/v1/quotes", {"plan_id": "premium-plan", name: canaries(name)})
        canaries.ask(known, "POST", "/api/v1/checkout-sessions", {**ORDER, name: {name: canaries(f"order's {name}")}})
    canaries.ask(known, "POST", "/api/v1/checkout-sessions", '{"note": "' + canaries("broken body") + '"')
    canaries.ask(
        known, "POST", "/api/v1/webhooks/stripe", {"id": canaries("unsigned body")}, Stripe_Signature="t=1,v1=0"
    )


def enter_the_office(canaries: Canaries) -> None:
    """Come in with the right password, and fail with a wrong one."""
    right, wrong = canaries("right password"), canaries("wrong password")
    User.objects.create_superuser("office", password=right)
    for password in (wrong, right):
        client = Client()
        answer = client.post("/admin/login/?next=/admin/", {"username": "office", "password": password})
        canaries.answers.append(answer.content)
    for path in ("customer", "payment", "paymentmethod", "webhookevent", "checkout", "subscription", "invoice"):
        canaries.answers.append(client.get(f"/admin/billing/{path}/").content)
    canaries.answers.append(client.get("/admin/events/event/").content)


def paid() -> Payment:
    return Payment.objects.get(status=Payment.Status.SUCCEEDED)


def buy(canaries: Canaries, buyer: Buyer) -> None:
    """Quote, order, pay and be paid back, with a secret in every key and at Stripe."""
    client = Client(headers={"Authorization": f"Bearer {token()}"})
    quote = {"plan_id": "premium-plan", "country_code": "IN"}
    canaries.ask(client, "POST", "/api/v1/quotes", quote, Idempotency_Key=canaries("quote's key"))
    key = canaries("order's key")
    assert canaries.ask(client, "POST", "/api/v1/checkout-sessions", ORDER, Idempotency_Key=key) == 201
    checkout = buyer.customer.checkouts.latest("created_at")
    email, name = canaries("buyer's e-mail") + "@example.com", canaries("buyer's name")
    told = {"card": "4242424242424242", "email": email, "name": name}
    buyer.stripe.http.post(f"/_sandbox/checkout/{checkout.stripe_id}/pay", json=told).raise_for_status()
    params = {name: canaries(f"customer's {name}") for name in AT_STRIPE}
    address = {f"address[{name}]": params.pop(name) for name in ("line1", "line2", "city", "postal_code")}
    params["metadata[note]"] = params.pop("metadata")
    buyer.stripe.post(f"customers/{buyer.customer.stripe_id}", **params, **address)
    buyer.stripe.deliver()
    admin = Client(headers={"Authorization": f"Bearer {token('boss', 'admin')}"})
    refund = {"payment_id": str(paid().pk), "reason": "requested_by_customer"}
    canaries.ask(admin, "POST", "/api/v1/refunds", refund, Idempotency_Key=canaries("refund's key"))
    buyer.stripe.deliver()


def be_told(canaries: Canaries, buyer: Buyer) -> None:
    """Get signed events whose objects are full of secrets, and one that cannot be read."""
    said = {name: canaries(f"event's {name}") for name in IN_EVENTS}
    for number, kind in enumerate(("charge.succeeded", "payment_intent.succeeded", "customer.updated")):
        stripe_object = {"id": paid().stripe_id, "billing_details": said, "card": said, **said}
        event = {"id": f"evt_told_{number}", "type": kind, "livemode": False, "created": int(time.time())}
        buyer.stripe.send(json.dumps({**event, "data": {"object": stripe_object}}).encode())
    buyer.stripe.send(json.dumps({"id": "evt_odd", "note": canaries("unreadable event")}).encode())


def live(canaries: Canaries, buyer: Buyer) -> None:
    """Be known by name, leave a card, and ask for what is paid in the browser."""
    client = Client(headers={"Authorization": f"Bearer {token()}"})

    def made(path: str, body: Any, method: str = "POST") -> Any:
        answer = canaries.send(client, method, f"/api/v1/{path}", body, Idempotency_Key=canaries(f"key of {path}"))
        assert answer.status_code in {200, 201}, answer.content
        return answer.json()

    said = {"email": canaries("customer's e-mail") + "@example.com", "name": canaries("customer's name")}
    made(f"customers/{buyer.customer.pk}", said, "PATCH")
    canaries.learn(made("payment-methods/setup", {})["client_secret"], "secret of a setup")
    card = {"type": "card", "card[number]": "4000056655665556", "card[exp_month]": 8, "card[exp_year]": 2030}
    method = buyer.stripe.post("payment_methods", **card, **{"card[cvc]": "123"})
    canaries.learn(method["card"]["fingerprint"], "fingerprint of a card")
    made("payment-methods", {"payment_method_id": method["id"]})
    begun = made("subscriptions", {"plan_id": "pro-monthly", "country_code": "IN", "trial_days": 0})
    canaries.learn(begun["client_secret"], "secret of a subscription")
    client = Client(headers={"Authorization": f"Bearer {token('boss', 'admin')}"})
    due = {"user_id": "anna", "amount": 2500, "currency": "USD"}
    canaries.learn(made("payments", due)["client_secret"], "secret of a payment")
    buyer.stripe.deliver()


def be_written_to(canaries: Canaries, mailbox: Mailbox, settings: LazySettings) -> None:
    """Send mail by a server that wants no password, then by one that refuses the address and says why."""
    tasks.tell_customers()
    assert Mail.objects.filter(status=Mail.Status.QUEUED).exists()
    settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "farebox", canaries("password of the mail server")
    assert mail.send_due() == 0
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
    mailbox.refuse = f"451 {canaries('what a mail server said')}"
    assert mail.send_due(overdue=-timedelta(days=1)) == 0
    assert Mail.objects.filter(status=Mail.Status.QUEUED, attempts=2).exists()


def test_sixty_secrets_come_to_rest_nowhere(
    buyer: Buyer,
    mailbox: Mailbox,
    settings: LazySettings,
    log_lines: io.StringIO,
    rung: list[Any],
    shown: Shown,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """SE-05, SE-07, SE-08: none in logs, errors, metrics, history, Celery's messages or a plain column."""
    canaries = Canaries()

    knock(canaries)
    buy(canaries, buyer)
    be_told(canaries, buyer)
    live(canaries, buyer)
    be_written_to(canaries, mailbox, settings)
    enter_the_office(canaries)
    call_command("sweep", once=True)
    canaries.ask(Client(), "GET", "/metrics")
    canaries.ask(Client(), "GET", "/api/v1/" + "no-such-path")

    assert len(canaries.sent) >= 60
    assert log_lines.getvalue().count("\n") > 60
    count, found = resting(canaries)
    assert found == []
    assert canaries.seen_in(log_lines.getvalue()) == []
    assert canaries.seen_in(b"".join(canaries.answers).decode(errors="replace")) == []
    assert canaries.seen_in(repr(rung)) == []
    printed = capsys.readouterr()
    assert canaries.seen_in(printed.out + printed.err) == []
    shown(
        f"{len(canaries.sent)} secrets through every flow: none in {count} columns, {len(canaries.answers)} answers, "
        f"{log_lines.getvalue().count(chr(10))} log lines, {len(rung)} Celery messages"
    )
